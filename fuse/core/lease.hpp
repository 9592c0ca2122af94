// Leases: the peers' open claims on files: which of them exclude each other, and the memory that each one keeps.
//
//               shared   exclusive      down: a lease that is held; across: one that is asked for
//     shared    yes      EBUSY          a lease to write excludes no other by itself: it only tells that
//     exclusive EBUSY    EBUSY          the peer will change bytes behind the filesystem's back
//
// While a lease to write is held, the file's parity is left alone. When the last one ends, parity is made to fit.
//
// A lease keeps its file and the extents that were handed out with it: neither unlink nor truncate gives their bytes
// back to the budget before the lease ends. A lease doesn't restrict read(2) or write(2).
//
// A lease belongs to a holder: one connection of one process. Leases and holders outlive the server. They are in the
// journal, and the next server restores them before anything is scrubbed, sealed or granted.
#pragma once

#include "fuse/core/journal/volume_state.hpp"
#include "fuse/core/names/namespace.hpp"
#include "vmm/base/function_view.hpp"

#include <cstdint>
#include <memory>
#include <set>
#include <unordered_map>
#include <vector>

namespace gmemfs {

class Journal;

/// Not thread-safe: the main thread alone uses it.
class Leases {
public:
    using Id = std::uint64_t; ///< of a lease or a holder; never used twice, never 0
    enum class Use { read, write };
    enum class Sharing { shared, exclusive };
    /// Whose memory the file is. `drop` and `keep`: the lease's process has made it, and uses it; the lease is to
    /// write, and shared. While it is held the file can be neither removed nor cut. When the process releases the
    /// lease the memory is free; when the process ends, a file to `keep` becomes one like any other.
    enum class Bond { none, drop, keep };

    /// From here on every change is recorded.
    void record_in(Journal *journal) { journal_ = journal; }
    /// Restores leases and holders from a journal's state. `find_inode` returns null for an inode that is gone,
    /// `find_extent` for an extent that the keeper doesn't hold any more. EBADMSG: a lease has no holder.
    using FindInode = FunctionView<InodeRef(InodeId)>;
    using FindExtent = FunctionView<std::shared_ptr<Extent>(Keeper::Id)>;
    Result<void> restore(const VolumeState &state, FindInode find_inode, FindExtent find_extent);
    /// Treats the file as leased for writing for as long as the mount lives, because a server that recorded no leases
    /// had given its handles away.
    void distrust(const InodeRef &inode);

    /// A process with a connection. By pid and start time the next server knows whether a process is the same one.
    struct Holder {
        pid_t pid = 0;                ///< 0: the process has no number in this PID namespace
        std::uint64_t start_time = 0; ///< as /proc/PID/stat has it; 0: unknown
        Id unanswered = 0;            ///< leases from here on were granted, and the answer perhaps never came; 0: none
        std::set<Id> leases = {};
        bool is_recorded = false;
    };
    Id add_holder(pid_t pid, std::uint64_t start_time);
    /// Ends the holder's leases, too.
    void remove_holder(Id holder);
    const Holder &holder(Id holder) const { return holders_.at(holder); }
    const std::unordered_map<Id, Holder> &holders() const { return holders_; }

    /// EBUSY: another lease is held on the file, and one of both is exclusive.
    Result<Id> grant(InodeRef inode, Use use, Sharing sharing, Id holder);
    /// A lease with a bond on a new file; `home` is the file's directory.
    Id grant_donor(InodeRef inode, InodeId home, Bond bond, Id holder);
    /// The file of a lease with a bond. A plain value; `inode` is null for every other lease.
    struct Donated {
        InodeRef inode;
        InodeId home; ///< 0: unknown
        Bond bond;
    };
    Donated donated(Id lease) const;
    /// Makes the lease keep these extents besides the file, and records the lease. Errors: the journal's.
    Result<void> keep(Id lease, std::vector<std::shared_ptr<Extent>> extents);
    /// Ends `lease`, which is held.
    void release(Id lease);
    /// Notes that the holder has got the answers to all that it was granted or has released so far.
    void answered(Id holder);

    Id find_holder(Id lease) const; ///< 0: there is no such lease
    InodeId find_inode(Id lease) const;
    std::size_t count() const { return leases_.size(); }

private:
    struct Lease {
        InodeRef inode; // null: the inode is gone
        Use use;
        Sharing sharing;
        Id holder;
        std::vector<std::shared_ptr<Extent>> extents;
        bool is_recorded;
        Bond bond = Bond::none;
        InodeId home = 0;
    };
    struct OfInode {
        std::set<Id> leases;
        Id exclusive = 0; // one of them
    };
    void add(Id id, Lease lease);
    Error busy(Id held) const;
    Result<void> record(const Lease &lease, Id id);

    Journal *journal_ = nullptr; // null: nothing is recorded
    std::unordered_map<Id, Lease> leases_;
    std::unordered_map<Id, Holder> holders_;
    std::unordered_map<InodeId, OfInode> by_inode_;
    Id next_ = 1;
};

} // namespace gmemfs
