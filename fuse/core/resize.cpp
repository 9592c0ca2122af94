// Resize: everything that changes a file's layout: growth, shrinking, settling.
//
// One pattern throughout: what is new is built aside, owned by a local variable, and published in one step that can't
// fail. Whatever fails before unwinds by destructors, and the file is as it was.
#include "fuse/core/file.hpp"

#include <algorithm>
#include <utility>

namespace gmemfs {
namespace {

bool is_no_space(const Error &error) { return error.code == ENOSPC; }

} // namespace

Result<void> File::resize(Copiers &copiers, std::uint64_t new_size) {
    if (new_size > INT64_MAX) return Error{EFBIG, 0, "resize file"};
    const HoldExclusive hold(layout_);
    if (new_size > size()) return grow(copiers, new_size, new_size);
    if (new_size < size()) return shrink(copiers, new_size);
    return {};
}

// Memory up to `end`, and a size that isn't past it.
Result<void> File::grow(Copiers &copiers, std::uint64_t end, std::uint64_t new_size) {
    if (end > extents_.size()) {
        if (!extents_.empty() && !extents_.any_exported()) {
            // One extent of the whole size, so that a peer has one thing to map.
            Result<ExtentList> whole = merged(copiers, size(), end);
            if (whole) {
                publish(*std::move(whole), new_size);
                tail_dirty_ = false; // only what lies before the old end was copied
                return {};
            }
            if (!is_no_space(whole.error())) return Error(whole.error());
        }
        if (extents_.count() >= kExtentsPerFileMax) return Error{EFBIG, 0, "resize file", "it has too many extents"};
        auto extent = TRY(storage_.create(copiers, chosen_device(), end - extents_.size()));
        TRY(expose(copiers, size(), new_size));
        publish(extents_.with(std::move(extent)), new_size);
        return {};
    }
    TRY(expose(copiers, size(), new_size));
    publish(extents_, new_size);
    return {};
}

Result<void> File::shrink(Copiers &copiers, std::uint64_t new_size) {
    kept_ = 0; // truncate(2) takes away what was allocated past the end
    if (new_size == 0) {
        publish({}, 0);
        tail_dirty_ = false;
        loose_.store(false, std::memory_order_release);
        return {};
    }
    const std::uint64_t wanted = round_up(new_size, extents_.extents().front()->device().info().granularity);
    if (extents_.size() > wanted && !extents_.any_exported()) {
        Result<ExtentList> whole = merged(copiers, new_size, new_size);
        if (whole) {
            publish(*std::move(whole), new_size);
            tail_dirty_ = false;
            loose_.store(false, std::memory_order_release);
            return {};
        }
        if (!is_no_space(whole.error())) return Error(whole.error());
    }
    ExtentList shorter = extents_.cut_to(new_size);
    // Shortened first: a clear that fails half-way must not have eaten a file that is still long. Then the tail is
    // dirty, and growth clears it.
    const std::uint64_t old_end = std::min(shorter.size(), size());
    publish(std::move(shorter), new_size);
    if (!clear(copiers, new_size, old_end)) tail_dirty_ = true;
    return {};
}

Result<void> File::settle(Copiers &copiers) {
    if (!is_loose()) return {};
    const HoldExclusive hold(layout_);
    return settle_locked(copiers);
}

Result<void> File::settle_locked(Copiers &copiers) {
    if (!is_loose()) return {};
    const std::uint64_t granularity = extents_.empty() ? 1 : extents_.extents().front()->device().info().granularity;
    const std::uint64_t wanted = std::max(size(), kept_);
    const bool is_tight = extents_.count() <= 1 && extents_.size() == round_up(wanted, granularity);
    if (!is_tight && !extents_.any_exported() && wanted > 0) {
        Result<ExtentList> whole = merged(copiers, size(), wanted);
        if (whole) {
            publish(*std::move(whole), size());
            tail_dirty_ = false;
        } else if (!is_no_space(whole.error())) {
            return Error(whole.error());
        }
    }
    // Where nothing could be merged, whole extents past the end go all the same; but a peer may have mapped an exported
    // one, and expects to find it where it was when the file grows again.
    ExtentList tight = extents_;
    while (!tight.empty() && tight.offset(tight.count() - 1) >= wanted && !tight.extents().back()->is_exported())
        tight = tight.cut_to(tight.offset(tight.count() - 1));
    publish(std::move(tight), size());
    loose_.store(false, std::memory_order_release);
    return {};
}

Result<void> File::reserve_for_write(Copiers &copiers, std::uint64_t end) {
    if (end <= extents_.size()) return {};
    if (extents_.count() >= kExtentsPerFileMax) return Error{EFBIG, 0, "grow file", "it has too many extents"};
    const std::uint64_t needed = end - extents_.size();
    const std::uint64_t wanted = std::max(needed, std::min(extents_.size(), kGrowthMax));
    Device &device = chosen_device();
    Result<std::shared_ptr<Extent>> extent = storage_.create(copiers, device, wanted);
    if (!extent && is_no_space(extent.error()) && wanted > needed) extent = storage_.create(copiers, device, needed);
    if (!extent) return Error(extent.error());
    publish(extents_.with(*std::move(extent)), size());
    loose_.store(true, std::memory_order_release);
    return {};
}

// One new extent of `allocate` bytes that begins with the file's first `keep` bytes.
Result<ExtentList> File::merged(Copiers &copiers, std::uint64_t keep, std::uint64_t allocate) {
    auto extent = TRY(storage_.create(copiers, chosen_device(), allocate));
    Copier &copier = copiers.of(*device_);
    const Result<void> queued = extents_.for_each(0, keep, [&](Slice slice, std::uint64_t done) {
        return copier.queue_copy(slice, {extent.get(), done, slice.length});
    });
    const Result<void> waited = copier.wait();
    if (!queued) return Error(queued.error());
    if (!waited) return Error(waited.error());
    return ExtentList({std::move(extent)});
}

Result<void> File::clear(Copiers &copiers, std::uint64_t from, std::uint64_t to) {
    if (from >= to) return {};
    Copier &copier = copiers.of(*device_);
    const Result<void> queued =
        extents_.for_each(from, to - from, [&](Slice slice, std::uint64_t) { return copier.queue_zero(slice); });
    const Result<void> waited = copier.wait();
    return queued ? waited : queued;
}

// Called before [from, to), a part of the tail, becomes part of the file.
Result<void> File::expose(Copiers &copiers, std::uint64_t from, std::uint64_t to) {
    if (!tail_dirty_ && !extents_.any_exported()) return {};
    return clear(copiers, from, std::min(to, extents_.size()));
}

Device &File::chosen_device() {
    if (device_ == nullptr) device_ = &storage_.roomiest();
    return *device_;
}

void File::publish(ExtentList extents, std::uint64_t size) {
    GMEMFS_ASSERT(size <= extents.size());
    const ExtentList replaced = std::exchange(extents_, std::move(extents)); // goes when the journal knows
    allocated_.store(extents_.size(), std::memory_order_release);
    size_.store(size, std::memory_order_release);
    record_layout();
}

} // namespace gmemfs
