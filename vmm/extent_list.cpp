#include "vmm/extent_list.hpp"

#include <algorithm>

namespace gmemfs {

ExtentList::ExtentList(Extents extents) : extents_(std::move(extents)) {
    ends_.reserve(extents_.size());
    for (const auto &extent : extents_) ends_.push_back(size() + extent->size());
}

bool ExtentList::any_exported() const {
    return std::any_of(extents_.begin(), extents_.end(), [](const auto &extent) { return extent->is_exported(); });
}

ExtentList ExtentList::with(std::shared_ptr<Extent> extent) const {
    Extents longer = extents_;
    longer.push_back(std::move(extent));
    return ExtentList(std::move(longer));
}

ExtentList ExtentList::cut_to(std::uint64_t size) const {
    Extents shorter = extents_;
    while (!shorter.empty() && offset(shorter.size() - 1) >= size) shorter.pop_back();
    return ExtentList(std::move(shorter));
}

std::size_t ExtentList::index_at(std::uint64_t offset) const {
    // Nearly every file has one extent, and a growing file is written at its end.
    return static_cast<std::size_t>(std::upper_bound(ends_.begin(), ends_.end(), offset) - ends_.begin());
}

} // namespace gmemfs
