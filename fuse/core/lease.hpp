// Leases: the peers' open claims on files: who may map what together with whom, and what memory stays meanwhile.
//
//               shared   exclusive      a lease that is held, down; one that is asked for, across
//     shared    yes      EBUSY          reading or writing makes no difference to who may be there together:
//     exclusive EBUSY    EBUSY          a writer tells that it will change bytes behind the filesystem's back
//
// While one to write is held, the file's parity is left alone; with the last one it is made to fit.
//
// A lease holds its file and the extents that were handed out with it: neither unlink nor truncate gives their bytes
// back to the budget before the lease ends. It forbids nothing to who comes by read(2) or write(2).
//
// A lease belongs to a holder, which is a process, by one connection. Both outlive the server: they are in the journal,
// and the next server has them before anything is scrubbed, sealed or granted.
#pragma once

#include "fuse/core/journal/volume_state.hpp"
#include "fuse/core/names/namespace.hpp"

#include <cstdint>
#include <functional>
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

    /// From here on every change is recorded.
    void record_in(Journal *journal) { journal_ = journal; }
    /// As a journal has it. `find_inode` gives null for one that is gone, `find_extent` for one that the keeper doesn't
    /// hold any more. EBADMSG: a lease of nobody.
    using FindInode = std::function<InodeRef(InodeId)>;
    using FindExtent = std::function<std::shared_ptr<Extent>(Keeper::Id)>;
    Result<void> restore(const VolumeState &state, const FindInode &find_inode, const FindExtent &find_extent);
    /// The server before this one recorded no leases, and had given handles of the file away: whoever has them may
    /// write for as long as the mount lives.
    void distrust(const InodeRef &inode);

    /// What is recorded of a holder; the next server tells by it whether the process is the same one.
    struct Holder {
        pid_t pid = 0;                ///< 0: it has no number here
        std::uint64_t start_time = 0; ///< as /proc/PID/stat has it; 0: unknown
        Id unanswered = 0;            ///< leases from this number on were granted, and perhaps never answered; 0: none
        std::set<Id> leases = {};
        bool is_recorded = false;
    };
    Id add_holder(pid_t pid, std::uint64_t start_time);
    /// Its leases end.
    void remove_holder(Id holder);
    const Holder &holder(Id holder) const { return holders_.at(holder); }
    const std::unordered_map<Id, Holder> &holders() const { return holders_; }

    /// EBUSY: another lease is held on the file, and one of both is exclusive.
    Result<Id> grant(InodeRef inode, Use use, Sharing sharing, Id holder);
    /// What the lease keeps alive besides the file; and it is recorded. The journal's error: it couldn't be.
    Result<void> keep(Id lease, std::vector<std::shared_ptr<Extent>> extents);
    /// `lease` is held.
    void release(Id lease);
    /// Of what the holder was granted or has released since the last time it has had the answer.
    void answered(Id holder);

    Id find_holder(Id lease) const; ///< 0: there is no such lease
    InodeId find_inode(Id lease) const;
    std::size_t count() const { return leases_.size(); }

private:
    struct Lease {
        InodeRef inode; // null: nobody knows it any more
        Use use;
        Sharing sharing;
        Id holder;
        std::vector<std::shared_ptr<Extent>> extents;
        bool is_recorded;
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
