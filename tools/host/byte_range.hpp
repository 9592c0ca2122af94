// ByteRange: some bytes of a file.
#pragma once

#include <cstdint>

namespace gmemfs {

/// Bytes [offset, offset + length).
struct ByteRange {
    std::uint64_t offset = 0, length = 0;
    bool operator==(const ByteRange &) const = default;
};

} // namespace gmemfs
