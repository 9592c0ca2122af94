#include "fuse/core/file/direct_writes.hpp"

#include <algorithm>
#include <iterator>
#include <utility>

namespace gmemfs {

void DirectWrites::begin() {
    if (is_mapped()) return;
    const Hold hold(mutex_);
    if (!lots_) lots_ = std::make_unique<Lots>();
    is_mapped_.store(true, std::memory_order_release);
}

void DirectWrites::note(ByteRange written) {
    const Hold hold(mutex_);
    Ranges &ranges = lots_->present;
    auto next = ranges.upper_bound(written.offset);
    if (next != ranges.begin() && std::prev(next)->second >= written.offset) --next;
    while (next != ranges.end() && next->first <= written.end) {
        written = {std::min(written.offset, next->first), std::max(written.end, next->second)};
        next = ranges.erase(next);
    }
    ranges.emplace(written.offset, written.end);
    if (ranges.size() < kLotMax) return;
    lots_->before = std::move(lots_->present);
    lots_->present = {};
}

void DirectWrites::forget(ByteRange read) {
    const Hold hold(mutex_);
    remove(lots_->present, read);
    remove(lots_->before, read);
}

void DirectWrites::remove(Ranges &ranges, ByteRange range) {
    auto next = ranges.upper_bound(range.offset);
    if (next != ranges.begin() && std::prev(next)->second > range.offset) --next;
    while (next != ranges.end() && next->first < range.end) {
        const ByteRange cut = {next->first, next->second};
        next = ranges.erase(next);
        if (cut.offset < range.offset) ranges.emplace(cut.offset, range.offset);
        if (cut.end > range.end) ranges.emplace(range.end, cut.end);
    }
}

std::vector<DirectWrites::ByteRange> DirectWrites::left_of(ByteRange written_back) const {
    std::vector<ByteRange> parts = {written_back};
    if (!is_mapped()) return parts;
    const Hold hold(mutex_);
    subtract(lots_->present, parts);
    subtract(lots_->before, parts);
    return parts;
}

void DirectWrites::subtract(const Ranges &ranges, std::vector<ByteRange> &parts) {
    std::vector<ByteRange> left;
    for (ByteRange part : parts) {
        auto next = ranges.upper_bound(part.offset);
        if (next != ranges.begin() && std::prev(next)->second > part.offset) --next;
        for (; next != ranges.end() && next->first < part.end; ++next) {
            if (next->first > part.offset) left.push_back({part.offset, next->first});
            part.offset = std::min(next->second, part.end);
        }
        if (part.offset < part.end) left.push_back(part);
    }
    parts = std::move(left);
}

} // namespace gmemfs
