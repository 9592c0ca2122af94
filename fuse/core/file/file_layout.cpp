// File, layout: growth, shrinking, settling, and whatever else changes a file's extents and size.
//
// One pattern throughout: the next Layout is built aside, owned by a local variable, and published whole, in one step
// that can't fail. Whatever fails before unwinds by destructors, and the file is as it was.
#include "fuse/core/file/file.hpp"
#include "fuse/core/space/slab.hpp"

#include <algorithm>
#include <utility>

namespace gmemfs {
namespace {

constexpr std::uint64_t kClearNothing = UINT64_MAX;

} // namespace

Result<void> File::resize(Copiers &copiers, std::uint64_t new_size) {
    if (new_size > INT64_MAX) return Error{EFBIG, 0, "resize file"};
    const HoldExclusive hold(layout_);
    if (new_size != size() && new_size != 0) TRY(prepare_change(copiers));
    if (new_size > size()) return grow(copiers, new_size, new_size, kept_);
    if (new_size < size()) return shrink(copiers, new_size);
    return {};
}

// Memory up to `end`, and a size that isn't past it.
Result<void> File::grow(Copiers &copiers, std::uint64_t end, std::uint64_t new_size, std::uint64_t kept) {
    Layout next = layout();
    next.size = new_size;
    next.kept = kept;
    const bool is_slot = extents_.is_slot(); // then it gets an extent of its own, whatever its size
    if (end > extents_.size() || is_slot) {
        if (!extents_.empty() && !extents_.any_exported()) {
            // One extent of the whole size, so that a peer has a single extent to map.
            Result<ExtentList> whole = merged(copiers, size(), end);
            if (whole) {
                next.extents = *std::move(whole);
                next.tail = Layout::Tail::zeros; // only what lies before the old end was copied
                publish(std::move(next));
                return {};
            }
            if (!is_no_space(whole.error()) || is_slot) return Error(whole.error());
        }
        TRY(expose(copiers, size(), new_size));
        next.extents = TRY(longer(copiers, end, 0));
        publish(std::move(next));
        return {};
    }
    TRY(expose(copiers, size(), new_size));
    publish(std::move(next));
    return {};
}

Result<void> File::shrink(Copiers &copiers, std::uint64_t new_size) {
    if (new_size == 0) {
        publish({});
        return {};
    }
    Layout next = layout();
    next.size = new_size;
    next.kept = 0; // truncate(2) takes away what was allocated past the end
    const std::uint64_t wanted = round_up(new_size, home().info().granularity);
    if (extents_.size() > wanted && !extents_.any_exported()) {
        Result<ExtentList> whole = merged(copiers, new_size, new_size);
        if (whole) {
            next.extents = *std::move(whole);
            next.tail = Layout::Tail::zeros;
            next.fit = Layout::Fit::tight;
            publish(std::move(next));
            return {};
        }
        if (!is_no_space(whole.error())) return Error(whole.error());
    }
    next.extents = extents_.cut_to(new_size);
    next.fit = fit_of(next.extents, new_size);
    const std::uint64_t old_end = std::min(next.extents.size(), size());
    // Shortened first, because a clear that fails half-way must not eat a file that is still long. Then the tail is
    // dirty, and growth clears it.
    publish(std::move(next));
    if (!clear(copiers, new_size, old_end)) tail_dirty_ = true;
    (void)move_tail(copiers, new_size); // what can't be given back now goes with the next settling
    return {};
}

Result<void> File::take_donation(std::shared_ptr<Extent> extent) {
    const HoldExclusive hold(layout_);
    if (!extents_.empty() || size() != 0) return Error{EBUSY, 0, "take memory", "the file isn't empty"};
    const std::uint64_t whole = extent->size();
    Piece piece(std::move(extent));
    Result<void> ready = charge_.raise_to(whole);
    if (ready) ready = parity_.attach(piece, kClearNothing);
    if (!ready) {
        charge_.lower_to(0);
        return ready;
    }
    placement_ = &piece.extent->device();
    Layout next;
    next.extents = ExtentList({std::move(piece)});
    next.size = whole;
    publish(std::move(next));
    return {};
}

Result<void> File::settle(Copiers &copiers) {
    if (!is_loose()) return {};
    const HoldExclusive hold(layout_);
    return settle_locked(copiers);
}

Result<void> File::settle_locked(Copiers &copiers) {
    if (!is_loose() || is_lost_locked()) return {};
    const std::uint64_t wanted = std::max(size(), kept_);
    Layout next = layout();
    if (fit_of(extents_, wanted) == Layout::Fit::loose && wanted > 0 && !fits_but_for_end(extents_, wanted)) {
        Result<ExtentList> whole = merged(copiers, size(), wanted);
        if (!whole && !is_no_space(whole.error())) return Error(whole.error());
        if (whole) {
            next.extents = *std::move(whole);
            next.tail = Layout::Tail::zeros;
        }
    }
    // Where nothing could be merged, whole extents past the end go all the same; but a peer may have mapped an exported
    // one, and expects to find it where it was when the file grows again.
    ExtentList &tight = next.extents;
    while (!tight.empty() && tight.offset(tight.count() - 1) >= wanted && !tight.pieces().back().extent->is_exported())
        tight = tight.cut_to(tight.offset(tight.count() - 1));
    next.fit = fit_of(tight, wanted);
    publish(std::move(next));
    return move_tail(copiers, wanted);
}

// The last extent's bytes go to one of the right size, where there is room for that.
Result<void> File::move_tail(Copiers &copiers, std::uint64_t wanted) {
    if (extents_.empty() || extents_.is_slot() || extents_.pieces().back().extent->is_exported()) return {};
    const std::uint64_t start = extents_.offset(extents_.count() - 1);
    if (wanted <= start || extents_.size() <= round_up(wanted, home().info().granularity)) return {};
    const std::uint64_t end = std::max(size(), start);
    const Placement::Part part = {&extents_.pieces().back().extent->device(), start, wanted - start};
    const Result<ExtentList::Pieces> tail = make_extents(copiers, std::span(&part, 1), start, end);
    if (!tail) return is_no_space(tail.error()) ? Result<void>() : Result<void>(tail.error());
    const Result<void> copied = copy_to(copiers, *tail, start, end);
    if (!copied) {
        charge_.lower_to(extents_.size());
        return copied;
    }
    Layout next = layout();
    next.extents = extents_.cut_to(start).with(tail->front());
    if (size() >= start) next.tail = Layout::Tail::zeros; // what was exposed before stays as it was
    next.fit = fit_of(next.extents, wanted);
    publish(std::move(next));
    return {};
}

// Memory up to `end`, and where there is room as much again as there is, or what is expected to come. The new memory
// isn't cleared, because it need not be zeros before it is written.
Result<void> File::reserve_for_write(Copiers &copiers, std::uint64_t end, std::uint64_t expected_end) {
    if (end <= extents_.size()) return {};
    if (expected_end <= kSlotMax && (extents_.empty() || extents_.is_slot()))
        return move_to_slot(copiers, expected_end);
    Layout next = layout();
    next.fit = Layout::Fit::loose; // until it is known where the file ends
    if (extents_.is_slot()) {
        next.extents = TRY(merged(copiers, size(), end));
        next.tail = Layout::Tail::zeros;
        publish(std::move(next));
        return {};
    }
    next.extents = TRY(longer_by_writing(copiers, end, expected_end));
    next.tail = Layout::Tail::dirty;
    publish(std::move(next));
    return {};
}

// A larger slot, or the first one, with what the file has in it.
Result<void> File::move_to_slot(Copiers &copiers, std::uint64_t end) {
    const std::uint64_t wanted = parity_.end_of(end); // no block belongs to two files
    TRY(charge_.raise_to(Slab::slot_size_for(wanted)));
    const auto make = [&]() REQUIRES(layout_) -> Result<Piece> {
        Piece slot = TRY(storage_.create_slot(copiers, chosen_home(wanted), wanted));
        TRY(parity_.attach(slot, 0));
        TRY(copy_to(copiers, std::span(&slot, 1), 0, size()));
        return slot;
    };
    Result<Piece> slot = make();
    if (!slot) {
        charge_.lower_to(extents_.size());
        return Error(slot.error());
    }
    Layout next = layout();
    next.extents = ExtentList({*std::move(slot)});
    next.tail = Layout::Tail::zeros;
    publish(std::move(next));
    return {};
}

// What a peer gets has an extent of its own and shows nobody else's data, also past the end.
Result<void> File::prepare_for_export(Copiers &copiers) {
    TRY(wake_locked(copiers));
    TRY(settle_locked(copiers));
    TRY(leave_slot(copiers));
    if (!tail_dirty_ || extents_.any_exported()) return {};
    TRY(clear(copiers, size(), extents_.size()));
    tail_dirty_ = false;
    return {};
}

Result<void> File::leave_slot(Copiers &copiers) {
    if (!extents_.is_slot()) return {};
    Layout next = layout();
    next.extents = TRY(merged(copiers, size(), size()));
    next.tail = Layout::Tail::zeros;
    publish(std::move(next));
    return {};
}

// New memory of `allocate` bytes, an extent on each device of the file, that begins with the file's first `keep` bytes.
Result<ExtentList> File::merged(Copiers &copiers, std::uint64_t keep, std::uint64_t allocate) {
    const std::vector<Placement::Part> parts = TRY(parts_of(0, std::max<std::uint64_t>(allocate, 1)));
    ExtentList whole(TRY(make_extents(copiers, parts, 0, keep)));
    const Result<void> copied = copy_to(copiers, whole.pieces(), 0, keep);
    if (copied) return whole;
    charge_.lower_to(extents_.size());
    return Error(copied.error());
}

// [from, to) to the begin of the first of the pieces, which follow each other in the file.
Result<void> File::copy_to(Copiers &copiers, std::span<const Piece> pieces, std::uint64_t from, std::uint64_t to) {
    if (from == to) return {};
    // The copy is encoded anew, so what can be mended is mended first, and the rest is known as damaged from here on.
    if (parity_.follows()) TRY(parity_.check(ParityMode::repair, extents_, from, to));
    Result<void> queued;
    for (const Piece &piece : pieces) {
        if (from >= to || !queued) break;
        const std::uint64_t length = std::min(to - from, piece.length);
        queued = extents_.for_each(from, length, [&](Slice slice, std::uint64_t done) {
            return copiers.queue_copy(slice, {piece.extent.get(), piece.offset + done, slice.length});
        });
        parity_.after_move(copiers, piece, length);
        from += length;
    }
    return copiers.wait_after(queued);
}

Result<void> File::clear(Copiers &copiers, std::uint64_t from, std::uint64_t to) {
    if (from >= to) return {};
    forget_digest();
    TRY(parity_.before_change(extents_, from, to, encoded_end()));
    const Result<void> queued =
        extents_.for_each(from, to - from, [&](Slice slice, std::uint64_t) { return copiers.queue_zero(slice); });
    parity_.after_change(copiers, extents_, from, to);
    return copiers.wait_after(queued);
}

// Called before [from, to), a part of the tail, becomes part of the file.
Result<void> File::expose(Copiers &copiers, std::uint64_t from, std::uint64_t to) {
    if (!tail_dirty_ && !extents_.any_exported()) return {};
    return clear(copiers, from, std::min(to, extents_.size()));
}

// The end of what parity fits. A dirty tail was never encoded, and neither was what peers wrote.
std::uint64_t File::encoded_end() const {
    const bool tail_is_unknown = tail_dirty_ || (parity_.is_on() && extents_.any_exported());
    return tail_is_unknown ? size() : extents_.size();
}

Layout File::layout() const {
    return {extents_, size(), kept_, tail_dirty_ ? Layout::Tail::dirty : Layout::Tail::zeros,
        is_loose() ? Layout::Fit::loose : Layout::Fit::tight, residence_, nvcomp_};
}

void File::take(Layout next) {
    GMEMFS_ASSERT(next.residence == Residence::packed || next.size <= next.extents.size());
    residence_ = next.residence;
    nvcomp_ = residence_ == Residence::packed ? next.nvcomp : 0;
    packed_.store(residence_ == Residence::packed, std::memory_order_release);
    extents_ = std::move(next.extents);
    const bool is_in_host = is_away(extents_);
    offloaded_.store(is_in_host, std::memory_order_release);
    counted_.reset();
    counted_offloaded_.reset();
    is_guarded_ = is_cold_locked() || !replicas_.empty();
    if (is_in_host || residence_ == Residence::packed) {
        const std::uint64_t awake = awake_size(std::max(next.size, next.kept));
        if (residence_ == Residence::packed) counted_.emplace(storage_.packed(), awake, extents_.size());
        if (is_in_host) counted_offloaded_.emplace(storage_.in_host(), awake, extents_.size());
    }
    kept_ = next.kept;
    tail_dirty_ = next.tail == Layout::Tail::dirty;
    loose_.store(next.fit == Layout::Fit::loose, std::memory_order_release);
    slot_.store(extents_.is_slot(), std::memory_order_release);
    allocated_.store(extents_.size(), std::memory_order_release);
    size_.store(next.size, std::memory_order_release);
}

void File::publish(Layout next) {
    drop_replicas_locked();
    const ExtentList replaced = std::move(extents_); // goes when the journal knows
    if (!next.extents.is_same_memory(replaced))
        generation_.store(storage_.next_generation(), std::memory_order_release);
    take(std::move(next));
    charge_.lower_to(extents_.size()); // the charge was raised before anything was made
    parity_.cut_to(size());
    forget_digest();
    record_layout();
}

} // namespace gmemfs
