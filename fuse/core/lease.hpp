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
#pragma once

#include "fuse/core/namespace.hpp"

#include <cstdint>
#include <memory>
#include <unordered_map>
#include <vector>

namespace gmemfs {

/// Not thread-safe: the broker's thread alone uses it.
class Leases {
public:
    using Id = std::uint64_t; ///< never used twice, never 0
    enum class Use { read, write };
    enum class Sharing { shared, exclusive };

    /// EBUSY: another lease is held on the file, and one of both is exclusive. `holder` is the peer's process, for the
    /// message that the next one gets.
    Result<Id> grant(InodeRef inode, Use use, Sharing sharing, pid_t holder);
    /// What the lease keeps alive besides the file; `id` is held.
    void keep(Id id, std::vector<std::shared_ptr<Extent>> extents);
    /// `id` is held.
    void release(Id id);
    std::size_t count() const { return leases_.size(); }

private:
    struct Lease {
        InodeRef inode;
        Use use;
        Sharing sharing;
        pid_t holder;
        std::vector<std::shared_ptr<Extent>> extents;
    };
    std::unordered_map<Id, Lease> leases_;
    std::unordered_multimap<InodeId, Id> by_inode_;
    Id next_ = 1;
};

} // namespace gmemfs
