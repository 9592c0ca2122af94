#include "fuse/core/lease.hpp"

namespace gmemfs {

Result<Leases::Id> Leases::grant(InodeRef inode, Use use, Sharing sharing, pid_t holder) {
    const auto [first, last] = by_inode_.equal_range(inode->id());
    for (auto held = first; held != last; ++held) {
        const Lease &lease = leases_.find(held->second)->second;
        if (sharing == Sharing::shared && lease.sharing == Sharing::shared) continue;
        return Error{EBUSY, 0, "lease file",
            (lease.holder > 0 ? "process " + std::to_string(lease.holder) : "a process of another PID namespace") +
                " holds " +
                (lease.sharing == Sharing::exclusive ? "an exclusive lease"
                                                     : "a lease, so there can't be an exclusive") +
                ": wait until it has unmapped the file"};
    }
    const Id id = next_++;
    by_inode_.emplace(inode->id(), id);
    if (use == Use::write && inode->file() != nullptr) inode->file()->begin_writing();
    leases_.emplace(id, Lease{std::move(inode), use, sharing, holder, {}});
    return id;
}

void Leases::keep(Id id, std::vector<std::shared_ptr<Extent>> extents) {
    const auto found = leases_.find(id);
    GMEMFS_ASSERT(found != leases_.end());
    found->second.extents = std::move(extents);
}

void Leases::release(Id id) {
    const auto found = leases_.find(id);
    GMEMFS_ASSERT(found != leases_.end());
    const auto [first, last] = by_inode_.equal_range(found->second.inode->id());
    for (auto held = first; held != last; ++held)
        if (held->second == id) {
            by_inode_.erase(held);
            break;
        }
    const Lease ended = std::move(found->second);
    leases_.erase(found);
    // The device may have failed; then the file stays open.
    if (ended.use == Use::write && ended.inode->file() != nullptr) (void)ended.inode->file()->end_writing();
}

} // namespace gmemfs
