#include "fuse/core/lease.hpp"

#include "fuse/core/journal/journal.hpp"

#include <algorithm>

namespace gmemfs {
namespace {

constexpr std::uint8_t kWrite = 1, kExclusive = 2, kDonated = 4, kKept = 8; // of VolumeState::Lease

Leases::Bond bond_of(std::uint8_t kind) {
    if ((kind & kDonated) == 0) return Leases::Bond::none;
    return (kind & kKept) != 0 ? Leases::Bond::keep : Leases::Bond::drop;
}

VolumeState::Holder state_of(const Leases::Holder &holder) {
    return {static_cast<std::int32_t>(holder.pid), holder.start_time, holder.unanswered};
}

} // namespace

Leases::Id Leases::add_holder(pid_t pid, std::uint64_t start_time) {
    const Id id = next_++;
    holders_.emplace(id, Holder{pid, start_time});
    return id;
}

void Leases::remove_holder(Id id) {
    const auto found = holders_.find(id);
    GMEMFS_ASSERT(found != holders_.end());
    if (std::exchange(found->second.is_recorded, false) && journal_ != nullptr)
        (void)journal_->append([id](RecordWriter &record) { record.no_holder(id); }); // nobody waits for an answer
    while (!found->second.leases.empty()) {
        const Id lease = *found->second.leases.begin();
        leases_.at(lease).is_recorded = false; // the change goes with the holder's record
        release(lease);
    }
    holders_.erase(found);
}

Error Leases::busy(Id held) const {
    const Lease &lease = leases_.at(held);
    std::string who = "a process of before the restart";
    if (lease.holder != 0) {
        const pid_t pid = holders_.at(lease.holder).pid;
        who = pid > 0 ? "process " + std::to_string(pid) : "a process of another PID namespace";
    }
    const bool is_exclusive = lease.sharing == Sharing::exclusive;
    return Error{EBUSY, 0, "lease file",
        who + " holds " + (is_exclusive ? "an exclusive lease" : "a lease, so there can't be an exclusive") +
            (lease.holder != 0 ? ": wait until it has unmapped the file"
                               : ", and nobody knows which it is: unmount and mount anew when all have ended")};
}

Result<Leases::Id> Leases::grant(InodeRef inode, Use use, Sharing sharing, Id holder) {
    const auto there = by_inode_.find(inode->id());
    if (there != by_inode_.end()) {
        if (there->second.exclusive != 0) return busy(there->second.exclusive);
        if (sharing == Sharing::exclusive) return busy(*there->second.leases.begin());
    }
    const Id id = next_++;
    add(id, {std::move(inode), use, sharing, holder, {}, false});
    return id;
}

Leases::Id Leases::grant_donor(InodeRef inode, InodeId home, Bond bond, Id holder) {
    const Id id = next_++;
    add(id, {std::move(inode), Use::write, Sharing::shared, holder, {}, false, bond, home});
    return id;
}

Leases::Donated Leases::donated(Id id) const {
    const auto found = leases_.find(id);
    if (found == leases_.end() || found->second.bond == Bond::none) return {nullptr, 0, Bond::none};
    return {found->second.inode, found->second.home, found->second.bond};
}

void Leases::add(Id id, Lease lease) {
    if (lease.inode) {
        if (lease.bond != Bond::none) lease.inode->is_in_use = true;
        OfInode &all = by_inode_[lease.inode->id()];
        all.leases.insert(id);
        if (lease.sharing == Sharing::exclusive) all.exclusive = id;
        if (lease.inode->file() != nullptr) lease.inode->file()->lease_began();
        if (lease.use == Use::write && lease.inode->file() != nullptr) lease.inode->file()->begin_writing();
    }
    if (lease.holder != 0) holders_.at(lease.holder).leases.insert(id);
    leases_.emplace(id, std::move(lease));
}

Result<void> Leases::keep(Id id, std::vector<std::shared_ptr<Extent>> extents) {
    const auto found = leases_.find(id);
    GMEMFS_ASSERT(found != leases_.end());
    found->second.extents = std::move(extents);
    return record(found->second, id);
}

Result<void> Leases::record(const Lease &lease, Id id) {
    Holder &holder = holders_.at(lease.holder);
    const bool is_first = !holder.is_recorded || holder.unanswered == 0;
    if (holder.unanswered == 0) holder.unanswered = id;
    holder.is_recorded = true;
    leases_.at(id).is_recorded = true;
    if (journal_ == nullptr) return {};
    VolumeState::Lease state = {lease.holder, lease.inode->id(), 0, {}};
    if (lease.use == Use::write) state.kind |= kWrite;
    if (lease.sharing == Sharing::exclusive) state.kind |= kExclusive;
    if (lease.bond != Bond::none) state.kind |= kDonated;
    if (lease.bond == Bond::keep) state.kind |= kKept;
    for (const auto &extent : lease.extents) state.extents.push_back(extent->id());
    return journal_->append([&](RecordWriter &record) {
        if (is_first) record.holder(lease.holder, state_of(holder));
        record.lease(id, state);
    });
}

void Leases::answered(Id id) {
    const auto found = holders_.find(id);
    if (found == holders_.end() || found->second.unanswered == 0) return;
    found->second.unanswered = 0;
    if (journal_ != nullptr)
        (void)journal_->append([&](RecordWriter &record) { record.holder(id, state_of(found->second)); });
}

void Leases::release(Id id) {
    const auto found = leases_.find(id);
    GMEMFS_ASSERT(found != leases_.end());
    const Lease ended = std::move(found->second);
    leases_.erase(found);
    if (ended.inode) {
        if (ended.bond != Bond::none) ended.inode->is_in_use = false;
        const auto all = by_inode_.find(ended.inode->id());
        all->second.leases.erase(id);
        if (all->second.exclusive == id) all->second.exclusive = 0;
        if (all->second.leases.empty()) by_inode_.erase(all);
    }
    Holder *const holder = ended.holder != 0 ? &holders_.at(ended.holder) : nullptr;
    if (holder != nullptr) holder->leases.erase(id);
    // Before the memory goes, so that the journal names no extent that the keeper lacks. Nobody waits for an answer.
    if (ended.is_recorded && journal_ != nullptr)
        (void)journal_->append([&](RecordWriter &record) {
            const bool is_first = holder != nullptr && holder->is_recorded && holder->unanswered == 0;
            if (is_first) holder->unanswered = next_;
            if (is_first) record.holder(ended.holder, state_of(*holder));
            record.no_lease(id);
        });
    // The device may have failed; then the file's parity stays open.
    if (ended.use == Use::write && ended.inode && ended.inode->file() != nullptr)
        (void)ended.inode->file()->end_writing();
    if (ended.inode && ended.inode->file() != nullptr) ended.inode->file()->lease_ended();
}

Leases::Id Leases::find_holder(Id lease) const {
    const auto found = leases_.find(lease);
    return found == leases_.end() ? 0 : found->second.holder;
}

InodeId Leases::find_inode(Id lease) const {
    const auto found = leases_.find(lease);
    return found == leases_.end() || !found->second.inode ? 0 : found->second.inode->id();
}

Result<void> Leases::restore(const VolumeState &state, FindInode find_inode, FindExtent find_extent) {
    next_ = std::max<Id>(state.next_lease, 1);
    for (const auto &[id, holder] : state.holders)
        holders_.emplace(id, Holder{holder.pid, holder.start_time, holder.unanswered, {}, true});
    for (const auto &[id, kept] : state.leases) {
        if (holders_.count(kept.holder) == 0) return Error{EBADMSG, 0, "restore lease", "a lease of nobody"};
        Lease lease = {find_inode(kept.inode), (kept.kind & kWrite) != 0 ? Use::write : Use::read,
            (kept.kind & kExclusive) != 0 ? Sharing::exclusive : Sharing::shared, kept.holder, {}, true,
            bond_of(kept.kind)};
        for (const Keeper::Id each : kept.extents)
            if (std::shared_ptr<Extent> extent = find_extent(each)) lease.extents.push_back(std::move(extent));
        add(id, std::move(lease));
    }
    return {};
}

void Leases::distrust(const InodeRef &inode) { add(next_++, {inode, Use::write, Sharing::shared, 0, {}, false}); }

} // namespace gmemfs
