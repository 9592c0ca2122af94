#include "fuse/core/file.hpp"

#include <algorithm>

namespace gmemfs {
namespace {

// What both came to: the first Error, but only after the second has run. A DMA that was queued must have ended before
// its host memory is somebody else's, whatever went wrong with the next one.
Result<void> both(const Result<void> &queued, const Result<void> &waited) { return queued ? waited : queued; }

} // namespace

Result<std::size_t> File::read(Copiers &copiers, std::uint64_t offset, std::span<std::byte> to) {
    const HoldShared hold(layout_);
    const std::uint64_t end = size();
    if (offset >= end || to.empty()) return std::size_t(0);
    const std::uint64_t length = std::min<std::uint64_t>(to.size(), end - offset);
    Copier &copier = copiers.of(*device_);
    const Result<void> queued = extents_.for_each(
        offset, length, [&](Slice slice, std::uint64_t done) { return copier.queue_read(slice, to.data() + done); });
    TRY(both(queued, copier.wait()));
    return static_cast<std::size_t>(length);
}

Result<void> File::write(Copiers &copiers, std::uint64_t offset, std::span<const std::byte> from) {
    if (from.empty()) return {};
    if (offset > INT64_MAX - from.size()) return Error{EFBIG, 0, "write"};
    {
        // A write within the file changes no layout: it runs beside others.
        const HoldShared hold(layout_);
        if (offset + from.size() <= size()) return transfer(copiers, offset, from);
    }
    return write_past_end(copiers, offset, from);
}

Result<void> File::write_past_end(Copiers &copiers, std::uint64_t offset, std::span<const std::byte> from) {
    const HoldExclusive hold(layout_);
    const std::uint64_t end = offset + from.size();
    TRY(reserve_for_write(copiers, end));
    if (offset > size()) TRY(expose(copiers, size(), offset));
    // If the copy fails half-way, the tail holds what must never come to light.
    const bool was_dirty = tail_dirty_;
    tail_dirty_ = true;
    TRY(transfer(copiers, offset, from));
    tail_dirty_ = was_dirty;
    size_.store(std::max(size(), end), std::memory_order_release);
    return {};
}

Result<void> File::transfer(Copiers &copiers, std::uint64_t offset, std::span<const std::byte> from) {
    Copier &copier = copiers.of(*device_);
    const Result<void> queued = extents_.for_each(offset, from.size(),
        [&](Slice slice, std::uint64_t done) { return copier.queue_write(slice, from.data() + done); });
    return both(queued, copier.wait());
}

Result<std::vector<FabricHandle>> File::fabric_handles(Copiers &copiers) {
    TRY(settle(copiers));
    const HoldShared hold(layout_);
    if (extents_.empty()) return Error{ENODATA, 0, "export fabric handle", "the file has no device memory yet"};
    std::vector<FabricHandle> handles;
    for (const auto &extent : extents_.extents()) handles.push_back(TRY(extent->export_fabric()));
    return handles;
}

Result<std::vector<File::Shared>> File::share(Copiers &copiers, ShareBy by) {
    TRY(settle(copiers));
    const HoldShared hold(layout_);
    if (extents_.empty()) return Error{ENODATA, 0, "share file", "it has no device memory yet: truncate it to a size"};
    std::vector<Shared> shared;
    for (std::size_t index = 0; index < extents_.count(); ++index) {
        Shared one = {extents_.extents()[index], extents_.offset(index), std::nullopt, Fd()};
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
        const Extent &extent = *extents_.extents()[index];
        infos.push_back({extents_.offset(index), extent.size(), extent.device().info().uuid_text(), extent.has_fabric(),
            extent.id()});
    }
    return infos;
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
    return {};
}

} // namespace gmemfs
