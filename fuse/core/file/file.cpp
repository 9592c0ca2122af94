#include "fuse/core/file/file.hpp"

#include "vmm/base/cache.hpp"
#include "vmm/device/trace.hpp"

#include <algorithm>
#include <memory>
#include <utility>

namespace gmemfs {
namespace {

Result<File::Shared> share_extent(const std::shared_ptr<Extent> &extent, std::uint64_t offset, File::ShareBy by) {
    File::Shared shared = {extent, offset, std::nullopt, Fd()};
    if (by == File::ShareBy::fabric || (by == File::ShareBy::either && extent->has_fabric())) {
        Result<FabricHandle> fabric = extent->export_fabric();
        if (!fabric) return Error(std::move(fabric.error()));
        shared.fabric = *fabric;
    } else {
        Result<Fd> fd = extent->export_fd();
        if (!fd) return Error(std::move(fd.error()));
        shared.fd = *std::move(fd);
    }
    return shared;
}

} // namespace

File::File(Storage &storage, Placement placement, uid_t owner)
    : storage_(storage), parity_(storage), placement_(std::move(placement)), charge_(storage.quotas()),
      replica_charge_(storage.quotas()) {
    const HoldExclusive hold(layout_); // no other thread has the file yet; this satisfies the thread-safety analysis
    (void)replica_charge_.move_to(owner);
    (void)charge_.move_to(owner); // nothing is charged yet, so nothing can be too much
}

Result<std::size_t> File::read(Copiers &copiers, std::uint64_t offset, std::span<std::byte> to, By by) {
    const Trace trace("gmemfs read");
    Result<std::size_t> count = read_once(copiers, offset, to, by);
    if (!count && count.error().code == EIO && has_replicas()) [[unlikely]] {
        (void)mend_from_replicas(); // or the device is lost, and now a replica is read
        count = read_once(copiers, offset, to, by);
    }
    return count;
}

Result<std::size_t> File::read_once(Copiers &copiers, std::uint64_t offset, std::span<std::byte> to, By by) {
    if (by == By::page_cache) direct_writes_.begin();
    const HoldShared hold(layout_);
    const std::uint64_t end = size();
    if (offset >= end || to.empty()) return std::size_t(0);
    std::uint64_t length = std::min<std::uint64_t>(to.size(), end - offset);
    const RangeLock::HeldRange range = ranges_.share(parity_.start_of(offset), parity_.end_of(offset + length));
    if (is_guarded_ && !replicas_.empty() && home().failed()) [[unlikely]]
        return read_replica(copiers, offset, to.first(length));
    if (parity_.verifies_reads() && residence_ == Residence::plain) {
        const Result<void> checked = parity_.before_read(extents_, offset, offset + length, length);
        if (length == 0) return Error(checked.error()); // else, what lies before the damage
    }
    Result<void> read = read_alive(copiers, offset, to.first(length));
    // What lies before a device that is lost. Not for the page cache, which would take the rest for a hole.
    if (!read && by == By::call)
        if (const std::uint64_t alive = alive_before(offset, length); alive > 0 && alive < length)
            read = read_alive(copiers, offset, to.first(length = alive));
    TRY(read);
    if (by == By::page_cache) direct_writes_.forget({offset, offset + length});
    return static_cast<std::size_t>(length);
}

Result<void> File::read_alive(Copiers &copiers, std::uint64_t offset, std::span<std::byte> to) {
    Windows held;
    const Result<void> queued = for_each_slice(copiers, offset, to.size(), held,
        [&](Slice slice, std::uint64_t done) { return copiers.queue_read(slice, to.data() + done); });
    Result<void> read = copiers.wait_after(queued);
    if (!read && read.error().code == ENOSPC && residence_ == Residence::packed)
        read = read_on_host(copiers.of(home()), offset, to);
    return read;
}

// How many bytes from `offset` on are on devices that live. A packed file is read whole or not at all.
std::uint64_t File::alive_before(std::uint64_t offset, std::uint64_t length) const {
    std::uint64_t alive = 0;
    if (residence_ == Residence::plain)
        (void)extents_.for_each(offset, length, [&](Slice slice, std::uint64_t) -> Result<void> {
            TRY(slice.extent->device().check_alive());
            alive += slice.length;
            return {};
        });
    return alive;
}

Result<void> File::write(Copiers &copiers, std::uint64_t offset, std::span<const std::byte> from, By by) {
    const Trace trace("gmemfs write");
    if (from.empty()) return {};
    if (offset > INT64_MAX - from.size()) return Error{EFBIG, 0, "write"};
    const std::uint64_t end = offset + from.size();
    for (;;) { // once more where another thread has taken back what was reserved: a truncate, or the last close
        {
            const HoldShared hold(layout_);
            if (!is_guarded_ && end <= extents_.size()) return write_reserved(copiers, offset, from, by);
        }
        const HoldExclusive hold(layout_);
        TRY(prepare_change(copiers));
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
    if (copiers.of(home()).is_bus_crowded()) demote(from); // this core has just received it
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
    drop_replicas_locked();
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
    if (parity_.has_writers()) drop_replicas_locked();
    std::vector<Shared> shared;
    for (std::size_t index = 0; index < extents_.count(); ++index)
        shared.push_back(TRY(share_extent(extents_.pieces()[index].extent, extents_.offset(index), by)));
    return shared;
}

Result<std::vector<File::Shared>> File::share_replica(const Device &device, ShareBy by) {
    std::vector<Shared> shared;
    const HoldExclusive hold(layout_);
    const auto found = std::ranges::find(replicas_, &device, [](const Replica &one) { return &one.device(); });
    if (found != replicas_.end()) shared.push_back(TRY(share_extent(found->extent, 0, by)));
    return shared;
}

std::vector<File::ExtentInfo> File::extent_infos() const {
    const HoldShared hold(layout_);
    std::vector<ExtentInfo> infos;
    for (std::size_t index = 0; index < extents_.count(); ++index) {
        const Piece &piece = extents_.pieces()[index];
        infos.push_back({extents_.offset(index), piece.length, piece.extent->device().info().uuid_text(),
            piece.extent->has_fabric(), !piece.is_whole(), residence_ == Residence::packed,
            !piece.extent->device().check_alive(), piece.extent->id()});
    }
    return infos;
}

std::uint64_t File::mappable() const {
    const HoldShared hold(layout_);
    if (!extents_.is_slot() && !is_cold_locked()) return extents_.size();
    return awake_size(std::max(size(), kept_));
}

// Of a file of so many bytes that has an extent of its own.
std::uint64_t File::awake_size(std::uint64_t size) const { return round_up(size, home().info().granularity); }

bool File::is_exported() const {
    const HoldShared hold(layout_);
    return extents_.any_exported();
}

bool File::is_lost() const {
    const HoldShared hold(layout_);
    return is_lost_locked();
}

bool File::is_lost_locked() const {
    return std::ranges::any_of(
        extents_.pieces(), [](const Piece &piece) { return !piece.extent->device().check_alive(); });
}

Placement File::placement() const {
    const HoldShared hold(layout_);
    return placement_;
}

Result<void> File::place(const Placement &placement) {
    const HoldExclusive hold(layout_);
    if (!extents_.empty())
        return Error{EBUSY, 0, "place file", "it has device memory already: truncate it to 0, or copy it"};
    placement_ = placement;
    record_layout();
    return {};
}

Result<void> File::set_owner(uid_t owner) {
    const HoldExclusive hold(layout_);
    TRY(charge_.move_to(owner));
    drop_replicas_locked();
    return replica_charge_.move_to(owner); // of no bytes
}

} // namespace gmemfs
