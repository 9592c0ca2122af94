// File, ranges: allocating, clearing and copying ranges of files: fallocate(2) and copy_file_range(2).
#include "fuse/core/file/file.hpp"

#include "vmm/device/trace.hpp"

#include <algorithm>

namespace gmemfs {
namespace {

constexpr std::uint64_t kCopyCallMax = 0x7ffff000; // MAX_RW_COUNT of Linux: 2 GiB less a page, copy_file_range(2)

// offset + length, or the largest offset where that is more.
std::uint64_t end_of(std::uint64_t offset, std::uint64_t length) {
    constexpr std::uint64_t kLargest = INT64_MAX;
    return offset > kLargest || length > kLargest - offset ? kLargest : offset + length;
}

} // namespace

Result<void> File::allocate(Copiers &copiers, std::uint64_t offset, std::uint64_t length, SizeMode mode) {
    if (length > INT64_MAX || offset > INT64_MAX - length) return Error{EFBIG, 0, "allocate"};
    const HoldExclusive hold(layout_);
    TRY(prepare_change(copiers));
    const std::uint64_t end = offset + length;
    const std::uint64_t new_size = mode == SizeMode::extend ? std::max(size(), end) : size();
    if (end > extents_.size() || new_size > size() || extents_.is_slot())
        return grow(copiers, std::max(end, new_size), new_size, std::max(kept_, end));
    kept_ = std::max(kept_, end);
    record_layout();
    return {};
}

Result<void> File::zero(Copiers &copiers, std::uint64_t offset, std::uint64_t length) {
    const HoldExclusive hold(layout_);
    TRY(prepare_change(copiers));
    return clear(copiers, offset, std::min(end_of(offset, length), extents_.size()));
}

Result<void> File::punch(Copiers &copiers, std::uint64_t offset, std::uint64_t length) {
    const HoldExclusive hold(layout_);
    TRY(prepare_change(copiers));
    const std::uint64_t end = end_of(offset, length);
    TRY(clear(copiers, offset, std::min(end, extents_.size())));
    if (end < extents_.size() || kept_ <= size()) return {};
    // Memory past the end that is a hole now goes back at the next settling.
    Layout next = layout();
    next.kept = std::max(size(), std::min(kept_, offset));
    next.fit = Layout::Fit::loose;
    publish(std::move(next));
    return settle_locked(copiers);
}

Result<std::uint64_t> File::copy_from(
    Copiers &copiers, File &source, std::uint64_t source_offset, std::uint64_t target_offset, std::uint64_t length) {
    const Trace trace("gmemfs copy");
    if (length > INT64_MAX || target_offset > INT64_MAX - length) return Error{EFBIG, 0, "copy range"};
    if (&source == this) {
        const std::uint64_t gap =
            source_offset < target_offset ? target_offset - source_offset : source_offset - target_offset;
        if (gap < length) return Error{EINVAL, 0, "copy range", "the ranges overlap"};
        const HoldExclusive hold(layout_);
        return copy_locked(copiers, *this, source_offset, target_offset, length);
    }
    // Two threads that copy between the same two files in opposite directions must not wait for each other.
    if (&source < this) {
        const HoldShared hold_source(source.layout_);
        const HoldExclusive hold(layout_);
        return copy_locked(copiers, source, source_offset, target_offset, length);
    }
    const HoldExclusive hold(layout_);
    const HoldShared hold_source(source.layout_);
    return copy_locked(copiers, source, source_offset, target_offset, length);
}

Result<std::uint64_t> File::copy_locked(
    Copiers &copiers, File &source, std::uint64_t source_offset, std::uint64_t target_offset, std::uint64_t length) {
    if (source_offset >= source.size()) return std::uint64_t(0);
    const std::uint64_t count = std::min(length, source.size() - source_offset);
    if (count == 0) return std::uint64_t(0);
    // An empty file that nobody has placed goes where the data is.
    if (placement_.home == nullptr) placement_ = source.placement_;
    // A writer of the source holds its layout shared, as this does. (Where source and target are one file there is
    // none.)
    const RangeLock::HeldRange range = source.ranges_.share(source_offset, source_offset + count);
    TRY(prepare_change(copiers));
    const std::uint64_t end = target_offset + count;
    // A caller that copies as much as one call can, as cp does, will call again for the rest of the source. This is a
    // hint, so having no room for that much is no error.
    const bool is_part = count >= kCopyCallMax && source.size() - source_offset <= INT64_MAX - target_offset;
    TRY(reserve_for_write(copiers, end, is_part ? target_offset + (source.size() - source_offset) : end));
    if (target_offset > size()) TRY(expose(copiers, size(), target_offset));
    forget_digest();
    // The copy is encoded anew, so the source must be right.
    if (std::uint64_t good = 0; source.parity_.follows() && source.residence_ == Residence::plain)
        TRY(source.parity_.before_read(source.extents_, source_offset, source_offset + count, good));
    TRY(parity_.before_change(extents_, target_offset, end, encoded_end()));
    const bool was_dirty = tail_dirty_;
    if (end > size()) tail_dirty_ = true;
    const ExtentList *const targets = &extents_; // locked here; the analysis doesn't follow locks into a lambda
    Windows held;
    const Result<void> queued =
        source.for_each_slice(copiers, source_offset, count, held, [&](Slice from, std::uint64_t done) -> Result<void> {
            return targets->for_each(target_offset + done, from.length, [&](Slice to, std::uint64_t within) {
                return copiers.queue_copy({from.extent, from.offset + within, to.length}, to);
            });
        });
    parity_.after_change(copiers, extents_, target_offset, end);
    TRY(copiers.wait_after(queued));
    tail_dirty_ = was_dirty;
    size_.store(std::max(size(), end), std::memory_order_release);
    record_size();
    return count;
}

} // namespace gmemfs
