// File, journal: records a file's size and layout, and restores both after a restart.
//
// A change of size or extents is recorded before the replaced extents are given back, and before the change is
// acknowledged. Data isn't recorded. Where the journal fails the change has happened all the same, so Volume asks the
// journal before it acknowledges.
#include "fuse/core/file/file.hpp"
#include "fuse/core/file/placement_record.hpp"
#include "fuse/core/journal/journal.hpp"

#include <algorithm>

namespace gmemfs {

void File::record_layout() const {
    if (journal_ == nullptr) return;
    std::vector<VolumeState::Piece> pieces;
    pieces.reserve(extents_.count());
    for (const Piece &piece : extents_.pieces()) pieces.push_back({piece.extent->id(), piece.offset, piece.length});
    (void)journal_->append([&](RecordWriter &record) REQUIRES(layout_) {
        record.layout(id_, size(), kept_, place_of(placement_), pieces);
        if (residence_ != Residence::plain || named_handle_ != NamedHandle::none)
            record.residence(id_, residence_, nvcomp_, named_handle_);
        record.generation(id_, generation());
    });
}

void File::record_size() const {
    if (journal_ == nullptr) return;
    (void)journal_->append([&](RecordWriter &record) { record.size(id_, size()); });
}

void File::restore(ExtentList extents, const VolumeState::Node &node) {
    const HoldExclusive hold(layout_);
    Layout restored = {
        std::move(extents), node.size, node.kept, Layout::Tail::dirty, Layout::Fit::tight, node.residence, node.nvcomp};
    if (node.residence == Residence::plain && !is_away(restored.extents))
        restored.fit = fit_of(restored.extents, std::max(node.size, node.kept));
    named_handle_ = node.named_handle;
    take(std::move(restored));
    charge_.raise_anyway(extents_.size());
    generation_.store(node.generation, std::memory_order_release);
    storage_.continue_generations(node.generation);
    parity_.set(node.protection);
    restore_parity();
}

} // namespace gmemfs
