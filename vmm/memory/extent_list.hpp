// ExtentList: the extents of one file in file order, and the slices of a range. Pure arithmetic: no driver call.
//
//     file offset  0            2M                    8M
//                  | extent 0   | extent 1            |        a range becomes one slice an extent that it touches
//
// A small file has one piece: a slot of an extent that it shares with other files.
#pragma once

#include "vmm/memory/extent.hpp"

#include <cstdint>
#include <memory>
#include <vector>

namespace gmemfs {

/// Something that belongs to a piece of memory and is destroyed just before that memory is given back: its parity.
class Companion {
public:
    Companion() = default;
    Companion(const Companion &) = delete;
    Companion &operator=(const Companion &) = delete;
    virtual ~Companion() = default;
};

/// What a file has of an extent: all of it, or a slot.
struct Piece {
    std::shared_ptr<Extent> extent;    ///< the last copy gives the slot back, or the whole extent
    std::uint64_t offset, length;      ///< bytes, in the extent
    std::shared_ptr<Companion> beside; ///< null for none

    Piece(std::shared_ptr<Extent> whole) : extent(std::move(whole)), offset(0), length(extent->size()) {}
    Piece(std::shared_ptr<Extent> shared, std::uint64_t at, std::uint64_t bytes)
        : extent(std::move(shared)), offset(at), length(bytes) {}
    bool is_whole() const { return length == extent->size(); }
};

/// A value; copies share the extents. Not thread-safe: the file's layout lock protects it.
class ExtentList {
public:
    using Pieces = std::vector<Piece>;

    ExtentList() = default;
    explicit ExtentList(Pieces pieces);

    std::uint64_t size() const { return ends_.empty() ? 0 : ends_.back(); } ///< bytes: the sum of all extents
    std::size_t count() const { return pieces_.size(); }
    bool empty() const { return pieces_.empty(); }
    const Pieces &pieces() const { return pieces_; }
    bool is_slot() const { return pieces_.size() == 1 && !pieces_.front().is_whole(); }
    std::uint64_t offset(std::size_t index) const { return index == 0 ? 0 : ends_[index - 1]; } ///< in the file
    bool any_exported() const;
    /// Whether both are the same pieces in the same order.
    bool is_same_memory(const ExtentList &other) const;

    /// This list with one more extent at its end.
    ExtentList with(Piece piece) const;
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
            const std::uint64_t part = std::min(length - done, pieces_[index].length - within);
            TRY(visit(Slice{pieces_[index].extent.get(), pieces_[index].offset + within, part}, done));
            done += part;
            ++index;
        }
        return {};
    }

    /// The slices of the same range, as a list.
    std::vector<Slice> slices(std::uint64_t offset, std::uint64_t length) const;

private:
    std::size_t index_at(std::uint64_t offset) const;

    Pieces pieces_;
    std::vector<std::uint64_t> ends_; // ends_[index]: file offset at which piece `index` ends
};

} // namespace gmemfs
