// Wire: numbers and structs of the NBD protocol (NetworkBlockDevice/nbd, doc/proto.md), big-endian.
#pragma once

#include <cerrno>
#include <cstddef>
#include <cstdint>
#include <cstring>
#include <endian.h>
#include <span>

namespace gmemfs::block::nbd {

inline constexpr std::uint64_t kMagic = 0x4e42444d41474943;       // "NBDMAGIC"
inline constexpr std::uint64_t kOptionMagic = 0x49484156454f5054; // "IHAVEOPT"
inline constexpr std::uint64_t kOptionReplyMagic = 0x3e889045565a9;
inline constexpr std::uint32_t kRequestMagic = 0x25609513, kReplyMagic = 0x67446698;

// Handshake and client flags.
inline constexpr std::uint16_t kFixedNewstyle = 1, kNoZeroes = 2;

enum class Option : std::uint32_t { export_name = 1, abort = 2, list = 3, info = 6, go = 7 };
enum class OptionReply : std::uint32_t {
    ack = 1,
    server = 2,
    info = 3,
    unsupported = 0x80000001,
    invalid = 0x80000003,
    unknown = 0x80000006,
    too_big = 0x80000009,
};
inline constexpr std::uint16_t kInfoExport = 0, kInfoBlockSize = 3;

// Transmission flags.
inline constexpr std::uint16_t kHasFlags = 1 << 0, kReadOnly = 1 << 1, kSendFlush = 1 << 2, kSendFua = 1 << 3,
                               kSendTrim = 1 << 5, kSendWriteZeroes = 1 << 6, kCanMultiConn = 1 << 8,
                               kSendCache = 1 << 10, kSendFastZero = 1 << 11;

enum class Command : std::uint16_t { read = 0, write = 1, disconnect = 2, flush = 3, trim = 4, cache = 5, zero = 6 };
// Command flags: force unit access, no hole, fast zero.
inline constexpr std::uint16_t kFua = 1 << 0, kNoHole = 1 << 1, kFastZero = 1 << 4;

struct __attribute__((packed)) RequestHead {
    std::uint32_t magic;
    std::uint16_t flags, command;
    std::uint64_t cookie; ///< the client's, sent back as it came
    std::uint64_t offset;
    std::uint32_t length;
};
struct __attribute__((packed)) ReplyHead {
    std::uint32_t magic;
    std::uint32_t error;
    std::uint64_t cookie;
};
static_assert(sizeof(RequestHead) == 28 && sizeof(ReplyHead) == 16);

/// The protocol's numbers for errors are Linux's for these; all others are EINVAL.
constexpr std::uint32_t error_of(int code) {
    switch (code) {
    case 0:
    case EPERM:
    case EIO:
    case ENOMEM:
    case EINVAL:
    case ENOSPC:
    case EOVERFLOW:
    case EOPNOTSUPP:
    case ESHUTDOWN: return static_cast<std::uint32_t>(code);
    default: return EINVAL;
    }
}

/// A request as a client sent it, in this machine's byte order. Nothing of it has been looked at but the magic.
struct Head {
    std::uint16_t flags = 0;
    Command command = {};
    std::uint64_t cookie = 0, offset = 0;
    std::uint32_t length = 0;
    bool is_sound = false; ///< it begins with the magic
};

/// `bytes` has at least a RequestHead.
inline Head parse_head(std::span<const std::byte> bytes) {
    RequestHead head = {};
    std::memcpy(&head, bytes.data(), sizeof head);
    return {be16toh(head.flags), static_cast<Command>(be16toh(head.command)), head.cookie, be64toh(head.offset),
        be32toh(head.length), be32toh(head.magic) == kRequestMagic};
}

/// How a request that `size` bytes can't serve is refused; 0: they can.
constexpr int check_head(const Head &head, std::uint64_t size) {
    const bool is_inside = head.offset <= size && head.length <= size - head.offset;
    switch (head.command) {
    case Command::read:
    case Command::cache:
    case Command::trim: return is_inside ? 0 : EINVAL;
    case Command::write:
    case Command::zero: return is_inside ? 0 : ENOSPC;
    case Command::flush:
    case Command::disconnect: return 0;
    }
    return EINVAL;
}

} // namespace gmemfs::block::nbd
