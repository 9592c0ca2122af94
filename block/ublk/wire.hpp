// Wire: numbers and structs of the kernel's ublk driver (include/uapi/linux/ublk_cmd.h), as far as they are used here.
//
// They are carried here because headers are often older than kernels: Debian 12's are Linux 6.1's, whose driver doesn't
// know commands by ioctl(2)'s numbers. Behind each stands the Linux that brought it; what isn't marked is 6.0's.
#pragma once

#include <cstddef>
#include <cstdint>
#include <linux/ioctl.h>

namespace gmemfs::block::ublk {

/// In an SQE of 128 bytes, to /dev/ublk-control.
struct ControlCommand {
    std::uint32_t device; ///< its number, or all ones: any
    std::uint16_t queue;  ///< always kNoQueue here
    std::uint16_t size;   ///< bytes at `address`
    std::uint64_t address;
    std::uint64_t value;
    std::uint16_t path_size, pad; ///< of unprivileged devices (6.3)
    std::uint32_t reserved;
};
static_assert(sizeof(ControlCommand) == 32);
inline constexpr std::uint16_t kNoQueue = 0xffff;

// Commands by ioctl(2)'s numbers: 6.4.
enum class ControlOperation : std::uint32_t {
    get_info = _IOR('u', 0x02, ControlCommand),
    add = _IOWR('u', 0x04, ControlCommand),
    remove = _IOWR('u', 0x05, ControlCommand),
    start = _IOWR('u', 0x06, ControlCommand),
    stop = _IOWR('u', 0x07, ControlCommand),
    set_parameters = _IOWR('u', 0x08, ControlCommand),
    start_recovery = _IOWR('u', 0x10, ControlCommand), // 6.1
    end_recovery = _IOWR('u', 0x11, ControlCommand),   // 6.1
    get_features = _IOR('u', 0x13, ControlCommand),    // 6.5
    try_stop = _IOWR('u', 0x17, ControlCommand),       // 7.0
};

// Of DeviceRecord::flags, and of what get_features tells.
inline constexpr std::uint64_t kUserRecovery = 1 << 3, kUserRecoveryReissue = 1 << 4; // 6.1

enum class DeviceState : std::uint16_t {
    dead = 0,
    live = 1,
    quiesced = 2, ///< its server is gone, and requests wait (6.1)
    failing = 3,  ///< its server is gone, and requests fail (6.13)
};

/// What add takes and returns, and get_info returns.
struct DeviceRecord {
    std::uint16_t queues, depth;
    std::uint16_t state; ///< DeviceState
    std::uint16_t pad0;
    std::uint32_t io_size; ///< bytes of one request's buffer
    std::uint32_t device;
    std::int32_t server; ///< its process; -1 where there is none
    std::uint32_t pad1;
    std::uint64_t flags;
    std::uint64_t mark; ///< the server's own: the kernel only keeps it
    std::uint32_t uid, gid;
    std::uint64_t reserved[2];
};
static_assert(sizeof(DeviceRecord) == 64);

inline constexpr std::uint32_t kReadOnlyDevice = 1 << 0; // BasicParameters::attributes
struct BasicParameters {
    std::uint32_t attributes;
    std::uint8_t logical_shift, physical_shift, optimal_shift, minimal_shift; ///< bytes of a block, as powers of 2
    std::uint32_t sectors_max;                                                ///< of a request
    std::uint32_t chunk_sectors;
    std::uint64_t sectors;
    std::uint64_t boundary_mask;
};
struct DiscardParameters {
    std::uint32_t alignment, granularity; ///< bytes
    std::uint32_t sectors_max, zero_sectors_max;
    std::uint16_t segments_max;
    std::uint16_t reserved;
};
inline constexpr std::uint32_t kHasBasic = 1 << 0, kHasDiscard = 1 << 1;
/// The first of the kernel's parameters; `size` says where they end.
struct Parameters {
    std::uint32_t size;
    std::uint32_t types;
    BasicParameters basic;
    DiscardParameters discard;
};
static_assert(offsetof(Parameters, basic) == 8 && offsetof(Parameters, discard) == 40 && sizeof(Parameters) == 64);

inline constexpr unsigned kDepthMax = 4096;
inline constexpr std::size_t kIoSizeMax = std::size_t(1) << 25;
inline constexpr std::size_t kSector = 512;

/// In an SQE, to /dev/ublkcN.
struct IoCommand {
    std::uint16_t queue, tag;
    std::int32_t result;   ///< of a commit: bytes, or an errno less than 0
    std::uint64_t address; ///< of the buffer that the tag's next request uses
};
static_assert(sizeof(IoCommand) == 16);
enum class IoOperation : std::uint32_t {
    fetch = _IOWR('u', 0x20, IoCommand),
    commit_and_fetch = _IOWR('u', 0x21, IoCommand),
};
// How they complete.
inline constexpr int kRequestCame = 0, kDeviceStopped = -19; // -ENODEV

/// One request, in memory that the kernel shares: descriptors[tag] of a queue.
struct Descriptor {
    std::uint32_t operation_and_flags; ///< Operation in the lowest 8 bits
    std::uint32_t sectors;
    std::uint64_t first_sector;
    std::uint64_t address; ///< the tag's buffer
};
static_assert(sizeof(Descriptor) == 24);
enum class Operation : std::uint8_t { read = 0, write = 1, flush = 2, discard = 3, write_zeroes = 5 };
/// A flag beside it: zeros that must keep their memory (UBLK_IO_F_NOUNMAP).
inline constexpr std::uint32_t kNoUnmap = 1 << 15;

} // namespace gmemfs::block::ublk
