// Export: what a client is told of a disk before its requests come.
#pragma once

#include "block/disk/disk.hpp"
#include "block/nbd/wire.hpp"

namespace gmemfs::block::nbd {

/// A plain value.
struct Export {
    std::uint64_t size;     ///< bytes
    std::uint16_t flags;    ///< transmission flags
    std::uint32_t smallest; ///< bytes that a request's offset and length are multiples of
};

inline constexpr std::uint32_t kPreferredSize = 4096, kLargestSize = 32 * 1024 * 1024; ///< of a request, in bytes

enum class Checked : std::uint8_t { no, yes };

/// Many connections see the same bytes at once, because none keeps any.
inline Export describe(std::uint64_t size, Mode mode, Checked checked) {
    constexpr std::uint16_t kFlags =
        kHasFlags | kSendFlush | kSendFua | kSendTrim | kSendWriteZeroes | kCanMultiConn | kSendCache | kSendFastZero;
    return {size, static_cast<std::uint16_t>(mode == Mode::read_only ? kFlags | kReadOnly : kFlags),
        checked == Checked::yes ? static_cast<std::uint32_t>(kCheckedSize) : 1};
}

} // namespace gmemfs::block::nbd
