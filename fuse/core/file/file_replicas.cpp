// File, replicas: copies of a file on other devices: made, given to peers, given up, and what they are good for.
#include "fuse/core/file/file.hpp"

#include "vmm/device/trace.hpp"

#include <algorithm>
#include <utility>

namespace gmemfs {

// What a change of the file's bytes has to do before, where must_prepare_change() says so.
Result<void> File::prepare_change(Copiers &copiers) {
    drop_replicas_locked();
    return wake_locked(copiers);
}

void File::drop_replicas_locked() {
    if (replicas_.empty()) return;
    replicas_.clear();
    replica_charge_.lower_to(0);
    replica_bytes_.store(0, std::memory_order_release);
    is_guarded_ = is_cold_locked();
    // Who has mapped a replica must be able to tell that the file is about to be another one.
    generation_.store(storage_.next_generation(), std::memory_order_release);
}

bool File::drop_replicas(Evict which) {
    const HoldExclusive hold(layout_);
    // A peer that has ended its lease has unmapped what it had.
    const bool is_mapped =
        is_leased() && std::ranges::any_of(replicas_, [](const Replica &one) { return one.extent->is_exported(); });
    if (replicas_.empty() || (which == Evict::unmapped && is_mapped)) return false;
    drop_replicas_locked();
    return true;
}

std::vector<Device *> File::replica_devices() const {
    const HoldShared hold(layout_);
    std::vector<Device *> devices;
    for (const Replica &replica : replicas_) devices.push_back(&replica.device());
    return devices;
}

Result<void> File::replicate(Copiers &copiers, const std::vector<Device *> &devices) {
    const Trace trace("gmemfs replicate");
    const HoldExclusive hold(layout_);
    if (size() == 0 || extents_.empty() || is_cold_locked()) return {};
    if (placement_.is_wide())
        return Error{EOPNOTSUPP, 0, "copy file to other devices", "it lies over several devices itself"};
    std::vector<Device *> missing, wanted;
    for (Device *const device : devices) {
        if (device == &home() || device->failed()) continue;
        wanted.push_back(device);
        if (std::ranges::none_of(replicas_, [&](const Replica &one) { return &one.device() == device; }))
            missing.push_back(device);
    }
    const bool has_others = replicas_.size() + missing.size() != wanted.size();
    if (missing.empty() && !has_others) return {};
    if (parity_.has_writers() || named_handle_ == NamedHandle::given)
        return Error{EBUSY, 0, "copy file to other devices",
            "a peer may be writing to it: unmap it, or map it for reading alone"};
    if (has_others) drop_replicas_locked(), missing = wanted;
    if (missing.empty()) return {};
    TRY(settle_locked(copiers));
    TRY(leave_slot(copiers));
    if (replicas_.empty()) missing = wanted; // settling may have given up the others
    if (parity_.follows() && !TRY(parity_.check(ParityMode::repair, extents_, 0, size())).left_wrong.empty())
        return Error{EIO, 0, "copy file to other devices", "it is damaged beyond repair: `gmemfs verify` tells where"};
    const std::uint64_t before = replica_bytes_.load();
    const std::uint64_t each = round_up(size(), home().info().granularity);
    TRY(replica_charge_.raise_to(before + each * missing.size()));
    const auto make = [&]() REQUIRES(layout_) -> Result<std::vector<Replica>> {
        std::vector<Replica> made;
        for (Device *const device : missing) made.push_back({ TRY(storage_.create(copiers, *device, each, size())) });
        const std::optional<Digest> known = TRY(known_digest());
        replicated_ = TRY(copy_in_chain(storage_, copiers, extents_, size(), made, known));
        return made;
    };
    Result<std::vector<Replica>> made = make();
    if (!made) {
        replica_charge_.lower_to(before);
        return Error(made.error());
    }
    for (Replica &replica : *made) replicas_.push_back(std::move(replica));
    replica_bytes_.store(before + each * missing.size(), std::memory_order_release);
    is_guarded_ = true;
    if (extents_.any_exported()) return {};
    const Hold known(digest_mutex_);
    digest_ = {replicated_, size()};
    knows_digest_ = true;
    return {};
}

// Of a file whose device is lost.
Result<std::size_t> File::read_replica(Copiers &copiers, std::uint64_t offset, std::span<std::byte> to) {
    const auto usable = std::ranges::find_if(replicas_, [](const Replica &one) { return !one.device().failed(); });
    if (usable == replicas_.end()) return Error{EIO, 0, "read file", "its device is lost, and those of its copies"};
    TRY(copiers.wait_after(copiers.queue_read({usable->extent.get(), offset, to.size()}, to.data())));
    return to.size();
}

// Whether the blocks that parity couldn't repair are right now.
Result<bool> File::mend_from_replicas() {
    Copiers copiers = TRY(Copiers::create(storage_.devices())); // it is rare
    const HoldExclusive hold(layout_);
    const std::vector<std::uint64_t> blocks = parity_.damaged();
    if (blocks.empty() || !parity_.follows()) return false;
    for (const Replica &replica : replicas_) {
        if (replica.device().failed()) continue;
        const Result<bool> mended = mend_from(copiers, replica, blocks);
        if (mended && *mended) return true;
    }
    return false;
}

// The digest of the whole file tells, because the replica's own bytes may have suffered, too.
Result<bool> File::mend_from(Copiers &copiers, const Replica &replica, std::span<const std::uint64_t> blocks) {
    const auto mend = [&]() REQUIRES(layout_) -> Result<bool> {
        for (const std::uint64_t block : blocks) {
            const std::uint64_t start = block * kBlockSize;
            const Result<void> queued = extents_.for_each(start, kBlockSize, [&](Slice to, std::uint64_t done) {
                return copiers.queue_copy({replica.extent.get(), start + done, to.length}, to);
            });
            parity_.after_change(copiers, extents_, start, start + kBlockSize);
            TRY(copiers.wait_after(queued));
        }
        TRY(parity_.wait(extents_));
        forget_digest();
        return TRY(digest_locked())
        == replicated_;
    };
    Result<bool> mended = mend();
    if (!mended || !*mended) parity_.add_damaged(blocks);
    return mended;
}

} // namespace gmemfs
