// NixlPieces: cuts ranges of a file into pieces, none of which crosses a border that a transfer mustn't cross.
#pragma once

#include "tools/nixl/nixl_process.hpp"

#include <algorithm>
#include <functional>
#include <optional>
#include <vector>

namespace gmemfs {

/// Not thread-safe.
class NixlPieces {
public:
    /// At most how long a piece may be that begins at `offset`: at least 1.
    using Limit = std::function<std::uint64_t(std::uint64_t offset)>;
    NixlPieces(std::vector<ByteRange> ranges, Limit limit) : ranges_(std::move(ranges)), limit_(std::move(limit)) {}

    /// The next piece, in the order of the ranges; nothing at their end.
    std::optional<ByteRange> next() {
        while (index_ < ranges_.size() && done_ == ranges_[index_].length) ++index_, done_ = 0;
        if (index_ == ranges_.size()) return {};
        const ByteRange &range = ranges_[index_];
        const std::uint64_t offset = range.offset + done_;
        const std::uint64_t length = std::min(range.length - done_, limit_(offset));
        done_ += length;
        return ByteRange{offset, length};
    }
    bool is_done() const {
        return index_ == ranges_.size() || (index_ + 1 == ranges_.size() && done_ == ranges_[index_].length);
    }

private:
    const std::vector<ByteRange> ranges_;
    const Limit limit_;
    std::size_t index_ = 0;
    std::uint64_t done_ = 0; // of the range
};

} // namespace gmemfs
