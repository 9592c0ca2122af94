// Request: what a door asks of a disk: some bytes to be read, written or cleared.
#pragma once

#include <cstddef>
#include <cstdint>

namespace gmemfs::block {

/// One request of a batch. A plain value.
struct Request {
    enum class Kind : std::uint8_t { read, write, zero } kind;
    std::uint64_t offset, length; ///< bytes; they lie in the disk
    std::byte *bytes;             ///< `length` bytes of the lane's memory; null for zero
    int code;                     ///< 0, or the errno; set by Lane::run
};

} // namespace gmemfs::block
