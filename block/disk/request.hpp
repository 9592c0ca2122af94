// Request: what a door asks of a disk: some bytes to be read, written or cleared.
#pragma once

#include <cstddef>
#include <cstdint>

namespace gmemfs::block {

/// One request of a batch. A plain value.
struct Request {
    enum class Kind : std::uint8_t {
        read,
        write,
        zero,   ///< zeros that keep their memory
        discard ///< zeros, and a thin disk may give their memory back
    } kind;
    std::uint64_t offset, length; ///< bytes; they lie in the disk
    std::byte *bytes;             ///< `length` bytes of the lane's memory; null where the kind has none
    int code;                     ///< 0, or the errno; set by Lane::run
};

constexpr bool has_bytes(Request::Kind kind) { return kind == Request::Kind::read || kind == Request::Kind::write; }

} // namespace gmemfs::block
