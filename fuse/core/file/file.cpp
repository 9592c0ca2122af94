#include "fuse/core/file/file.hpp"

#include "vmm/base/cache.hpp"
#include "vmm/device/trace.hpp"

#include <algorithm>
#include <utility>

namespace gmemfs {

File::File(Storage &storage, Device *device, uid_t owner)
    : storage_(storage), parity_(storage), device_(device), charge_(storage.quotas()) {
    const HoldExclusive hold(layout_); // no other thread has the file yet; this satisfies the thread-safety analysis
    (void)charge_.move_to(owner);      // nothing is charged yet, so nothing can be too much
}

Result<std::size_t> File::read(Copiers &copiers, std::uint64_t offset, std::span<std::byte> to, By by) {
    const Trace trace("gmemfs read");
    if (by == By::page_cache) direct_writes_.begin();
    const HoldShared hold(layout_);
    const std::uint64_t end = size();
    if (offset >= end || to.empty()) return std::size_t(0);
    std::uint64_t length = std::min<std::uint64_t>(to.size(), end - offset);
    const RangeLock::HeldRange range = ranges_.share(parity_.start_of(offset), parity_.end_of(offset + length));
    if (parity_.verifies_reads() && residence_ == Residence::plain) {
        const Result<void> checked = parity_.before_read(extents_, offset, offset + length, length);
        if (length == 0) return Error(checked.error()); // else, what lies before the damage
    }
    Windows held;
    const Result<void> queued = for_each_slice(copiers, offset, length, held,
        [&](Slice slice, std::uint64_t done) { return copiers.queue_read(slice, to.data() + done); });
    Result<void> read = copiers.wait_after(queued);
    if (!read && read.error().code == ENOSPC && residence_ == Residence::packed)
        read = read_on_host(copiers.of(*device_), offset, to.first(length));
    TRY(read);
    if (by == By::page_cache) direct_writes_.forget({offset, offset + length});
    return static_cast<std::size_t>(length);
}

Result<void> File::write(Copiers &copiers, std::uint64_t offset, std::span<const std::byte> from, By by) {
    const Trace trace("gmemfs write");
    if (from.empty()) return {};
    if (offset > INT64_MAX - from.size()) return Error{EFBIG, 0, "write"};
    const std::uint64_t end = offset + from.size();
    for (;;) { // once more where another thread has taken back what was reserved: a truncate, or the last close
        {
            const HoldShared hold(layout_);
            if (!is_cold_locked() && end <= extents_.size()) return write_reserved(copiers, offset, from, by);
        }
        const HoldExclusive hold(layout_);
        TRY(wake_locked(copiers));
        TRY(reserve_for_write(copiers, end, end));
    }
}

Result<void> File::write_reserved(Copiers &copiers, std::uint64_t offset, std::span<const std::byte> from, By by) {
    const std::uint64_t end = offset + from.size();
    const std::uint64_t old_size = size(); // the size can only grow while the layout is held shared
    if (end <= old_size) {
        const RangeLock::HeldRange range = ranges_.claim(parity_.start_of(offset), parity_.end_of(end));
        return transfer(copiers, offset, from, encoded_end(), by);
    }
    // A write that makes the file longer claims everything from the old end on.
    const RangeLock::HeldRange range =
        ranges_.claim(parity_.start_of(std::min(offset, old_size)), RangeLock::kToTheEnd);
    const std::uint64_t encoded = encoded_end();
    if (offset > size()) TRY(expose(copiers, size(), offset));
    // If the copy fails half-way, the tail holds bytes that nobody may ever read.
    const bool was_dirty = tail_dirty_.exchange(true);
    TRY(transfer(copiers, offset, from, encoded, by));
    tail_dirty_ = was_dirty;
    size_.store(std::max(size(), end), std::memory_order_release);
    record_size();
    return {};
}

Result<void> File::transfer(
    Copiers &copiers, std::uint64_t offset, std::span<const std::byte> from, std::uint64_t encoded_end, By by) {
    forget_digest();
    const std::uint64_t end = offset + from.size();
    if (parity_.is_on()) TRY(parity_.before_change(extents_, offset, end, encoded_end));
    if (copiers.of(*device_).is_bus_crowded()) demote(from); // this core has just received it
    if (by == By::call) direct_writes_.add({offset, end});
    const Result<void> queued =
        by == By::call
            ? extents_.for_each(offset, from.size(),
                  [&](Slice slice, std::uint64_t done) { return copiers.queue_write(slice, from.data() + done); })
            : queue_newer(copiers, offset, from);
    if (parity_.is_on()) parity_.after_change(copiers, extents_, offset, end);
    return copiers.wait_after(queued);
}

// Writes the parts of a write-back that aren't older than the file's own bytes.
Result<void> File::queue_newer(Copiers &copiers, std::uint64_t offset, std::span<const std::byte> from) {
    for (const DirectWrites::ByteRange part : direct_writes_.left_of({offset, offset + from.size()})) {
        const std::byte *const bytes = from.data() + (part.offset - offset);
        TRY(extents_.for_each(part.offset, part.end - part.offset,
            [&](Slice slice, std::uint64_t done) { return copiers.queue_write(slice, bytes + done); }));
    }
    return {};
}

Result<std::vector<FabricHandle>> File::fabric_handles(Copiers &copiers) {
    std::vector<FabricHandle> handles;
    const HoldExclusive hold(layout_);
    const std::vector<Shared> shared = TRY(share_locked(copiers, ShareBy::fabric));
    handles.reserve(shared.size());
    for (const Shared &extent : shared) handles.push_back(*extent.fabric);
    parity_.begun_writing(FileParity::Writer::unknown);
    if (std::exchange(named_handle_, NamedHandle::given) == NamedHandle::none) record_layout();
    return handles;
}

Result<std::vector<File::Shared>> File::share(Copiers &copiers, ShareBy by) {
    const HoldExclusive hold(layout_);
    return share_locked(copiers, by);
}

Result<std::vector<File::Shared>> File::share_locked(Copiers &copiers, ShareBy by) {
    if (extents_.empty()) return Error{ENODATA, 0, "share file", "it has no device memory yet: truncate it to a size"};
    TRY(prepare_for_export(copiers));
    std::vector<Shared> shared;
    for (std::size_t index = 0; index < extents_.count(); ++index) {
        Shared one = {extents_.pieces()[index].extent, extents_.offset(index), std::nullopt, Fd()};
        if (by == ShareBy::fabric || (by == ShareBy::either && one.extent->has_fabric())) {
            Result<FabricHandle> fabric = one.extent->export_fabric();
            if (!fabric) return Error(std::move(fabric.error()));
            one.fabric = *fabric;
        } else {
            Result<Fd> fd = one.extent->export_fd();
            if (!fd) return Error(std::move(fd.error()));
            one.fd = *std::move(fd);
        }
        shared.push_back(std::move(one));
    }
    return shared;
}

std::vector<File::ExtentInfo> File::extent_infos() const {
    const HoldShared hold(layout_);
    std::vector<ExtentInfo> infos;
    for (std::size_t index = 0; index < extents_.count(); ++index) {
        const Piece &piece = extents_.pieces()[index];
        infos.push_back({extents_.offset(index), piece.length, piece.extent->device().info().uuid_text(),
            piece.extent->has_fabric(), !piece.is_whole(), residence_ == Residence::packed, piece.extent->id()});
    }
    return infos;
}

std::uint64_t File::mappable() const {
    const HoldShared hold(layout_);
    if (!extents_.is_slot() && !is_cold_locked()) return extents_.size();
    return awake_size(std::max(size(), kept_));
}

// Of a file of so many bytes that has an extent of its own.
std::uint64_t File::awake_size(std::uint64_t size) const { return round_up(size, device_->info().granularity); }

bool File::is_exported() const {
    const HoldShared hold(layout_);
    return extents_.any_exported();
}

Device *File::device() const {
    const HoldShared hold(layout_);
    return device_;
}

Result<void> File::place(Device *device) {
    const HoldExclusive hold(layout_);
    if (!extents_.empty())
        return Error{EBUSY, 0, "place file", "it has device memory already: truncate it to 0, or copy it"};
    device_ = device;
    record_layout();
    return {};
}

Result<void> File::set_owner(uid_t owner) {
    const HoldExclusive hold(layout_);
    return charge_.move_to(owner);
}

} // namespace gmemfs
