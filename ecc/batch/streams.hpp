// PackedStreams: the streams of a batch in the caller's memory, one behind the other, with their sizes and checksums.
#pragma once

#include "ecc/batch/processors.hpp"
#include "ecc/batch/work.hpp"

#include <cstdint>
#include <functional>
#include <span>
#include <vector>

namespace gmemfs {

/// Who shares out what a slot does on the host. A view.
struct Hands {
    Processors &processors;
    PageCodec &own;

    /// Runs `work` over the pages, so many at a time that a part is worth a thread's while.
    Result<void> each_part(std::uint64_t count, std::size_t page_size, const Processors::Work &work) const;
};

/// Goes through a batch from its first page on, a piece at a time. Not thread-safe; what it shares out it waits for.
class PackedStreams {
public:
    explicit PackedStreams(const BatchWork &work) : work_(work) {}

    /// Lays the streams of the next `count` pages, whose sizes are set, behind those that are there: stream `index` of
    /// the piece is at from + offsets[index]. Writes their checksums. ENOBUFS: there is no room for them.
    Result<void> append(const Hands &hands, const std::byte *from, std::span<const std::uint64_t> offsets);

    /// Moves on to the next `count` pages' streams, to be read. EBADMSG: sizes that no stream has. ENOBUFS: they lie
    /// beyond the packed bytes' end.
    Result<void> open_piece(std::uint64_t count);
    /// Stream `index` of the piece. Sizes are read once: what was checked is what is used.
    std::span<const std::byte> stream(std::uint64_t index) const {
        return {work_.packed + starts_[index], starts_[index + 1] - starts_[index]};
    }
    /// Whether `copy` of stream `index` has its checksum. EBADMSG: no. What has none passes.
    Result<void> check(std::uint64_t index, std::span<const std::byte> copy) const;

    std::uint64_t end() const { return end_; }                ///< bytes of all streams so far
    std::uint64_t first() const { return next_; }             ///< page of the next piece
    Error about_page(std::uint64_t index, Error error) const; ///< says which page of the batch it is

private:
    const BatchWork &work_;
    std::uint64_t first_ = 0, next_ = 0; // pages: of the piece that is open, and behind it
    std::uint64_t end_ = 0;
    std::vector<std::uint64_t> starts_ = {0}; // of the piece's streams, in the packed bytes; and the last one's end
};

} // namespace gmemfs
