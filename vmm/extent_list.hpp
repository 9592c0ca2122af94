// ExtentList: the extents of one file in file order, and the slices of a range. Pure arithmetic: no driver call.
//
//     file offset  0            2M                    8M
//                  | extent 0   | extent 1            |        a range becomes one slice an extent that it touches
#pragma once

#include "vmm/extent.hpp"

#include <algorithm>
#include <cstdint>
#include <memory>
#include <vector>

namespace gmemfs {

/// A value; copies share the extents. Not thread-safe: the file's layout lock protects it.
class ExtentList {
public:
    using Extents = std::vector<std::shared_ptr<Extent>>;

    ExtentList() = default;
    explicit ExtentList(Extents extents);

    std::uint64_t size() const { return ends_.empty() ? 0 : ends_.back(); } ///< bytes: the sum of all extents
    std::size_t count() const { return extents_.size(); }
    bool empty() const { return extents_.empty(); }
    const Extents &extents() const { return extents_; }
    std::uint64_t offset(std::size_t index) const { return index == 0 ? 0 : ends_[index - 1]; } ///< in the file
    bool any_exported() const;

    /// This list with one more extent at its end.
    ExtentList with(std::shared_ptr<Extent> extent) const;
    /// This list without the extents that lie wholly at or past `size` bytes.
    ExtentList cut_to(std::uint64_t size) const;

    /// Calls visit(Slice, offset from the range's start) for each slice of [offset, offset + length), in file order,
    /// until one call returns an Error. The range lies within size().
    template <typename Visit>
    Result<void> for_each(std::uint64_t offset, std::uint64_t length, Visit visit) const {
        GMEMFS_ASSERT(offset <= size());
        GMEMFS_ASSERT(length <= size() - offset);
        std::size_t index = length == 0 ? 0 : index_at(offset);
        std::uint64_t done = 0;
        while (done < length) {
            const std::uint64_t within = offset + done - this->offset(index);
            const std::uint64_t part = std::min(length - done, extents_[index]->size() - within);
            TRY(visit(Slice{extents_[index].get(), within, part}, done));
            done += part;
            ++index;
        }
        return {};
    }

private:
    std::size_t index_at(std::uint64_t offset) const;

    Extents extents_;
    std::vector<std::uint64_t> ends_; // ends_[index]: file offset at which extent `index` ends
};

} // namespace gmemfs
