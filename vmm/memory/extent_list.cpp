#include "vmm/memory/extent_list.hpp"

#include <algorithm>

namespace gmemfs {

ExtentList::ExtentList(Pieces pieces) : pieces_(std::move(pieces)) {
    ends_.reserve(pieces_.size());
    for (const Piece &piece : pieces_) ends_.push_back(size() + piece.length);
}

bool ExtentList::any_exported() const {
    return std::any_of(pieces_.begin(), pieces_.end(), [](const Piece &piece) { return piece.extent->is_exported(); });
}

bool ExtentList::is_same_memory(const ExtentList &other) const {
    return std::equal(pieces_.begin(), pieces_.end(), other.pieces_.begin(), other.pieces_.end(),
        [](const Piece &one, const Piece &another) {
            return one.extent == another.extent && one.offset == another.offset && one.length == another.length;
        });
}

ExtentList ExtentList::with(Piece piece) const {
    Pieces longer = pieces_;
    longer.push_back(std::move(piece));
    return ExtentList(std::move(longer));
}

ExtentList ExtentList::cut_to(std::uint64_t size) const {
    Pieces shorter = pieces_;
    while (!shorter.empty() && offset(shorter.size() - 1) >= size) shorter.pop_back();
    return ExtentList(std::move(shorter));
}

std::size_t ExtentList::index_at(std::uint64_t offset) const {
    // Nearly every file has one piece, and a growing file is written at its end.
    return static_cast<std::size_t>(std::upper_bound(ends_.begin(), ends_.end(), offset) - ends_.begin());
}

std::vector<Slice> ExtentList::slices(std::uint64_t offset, std::uint64_t length) const {
    std::vector<Slice> all;
    (void)for_each(offset, length, [&](Slice slice, std::uint64_t) -> Result<void> { // which can't fail
        all.push_back(slice);
        return {};
    });
    return all;
}

} // namespace gmemfs
