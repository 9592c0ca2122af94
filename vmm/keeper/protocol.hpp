// Keeper protocol: the messages between a server and its keeper, fixed structs over a Unix socket.
//
// The socket is SOCK_SEQPACKET, so a message comes whole or not at all. A connection has one request under way, and
// answers come in order. Both ends are one program on one machine, but a server that was upgraded meets the keeper of
// its forerunner. So each message begins with the version, and has no pointer, no size_t and no padding. A message of
// another size or version, or with descriptors where none belong, closes the connection. The flags of a keeper's first
// answer say what it knows, so that an older keeper is asked for nothing else.
#pragma once

#include "vmm/base/limits.hpp"

#include <array>
#include <cstddef>
#include <cstdint>
#include <type_traits>

namespace gmemfs::keeper_protocol {

inline constexpr std::uint32_t kVersion = 1;

enum class Operation : std::uint32_t {
    hello = 1,         ///< this server is the one now: older connections are closed. Answer: nonce, count
    create = 2,        ///< size, device_uuid -> id, flags
    open = 3,          ///< id -> a descriptor for the server to map
    release = 4,       ///< id
    export_fabric = 5, ///< id -> fabric; always the same bytes
    export_fd = 6,     ///< id -> a descriptor for a peer
    list = 7,          ///< id: those after it, so 0 first -> a List of up to kListMax
    end = 8,           ///< unmounted on purpose: answer, and end
    open_fabric = 9,   ///< id -> fabric, for the server to map: 5 us, where a descriptor takes 0.5 to 0.9 ms (H200)
    // Descriptors of the server's, kept for the next server. keep_fd and drop_fds have no answer.
    keep_fd = 10,  ///< id (not 0), size: a Keep, and a descriptor, in place of what was kept under that number
    drop_fds = 11, ///< id, size: those kept under the `size` numbers from id on
    next_fd = 12,  ///< id -> id, descriptor: the first one kept under a number behind that; id 0: there is none
    listen = 13,   ///< with a descriptor, a bound and listening socket: connections come by that from now on
    donate = 14,   ///< size, device_uuid, with a descriptor of memory that another process has made -> id
};

/// How long a descriptor is kept.
enum class Keep : std::uint64_t {
    always = 0,
    with_server = 1, ///< a peer's connection: closed once there has been no server for 5 s, so that the peer notices
};

struct Request {
    std::uint32_t version = kVersion;
    std::uint32_t operation = 0;
    std::uint64_t id = 0;
    std::uint64_t size = 0; ///< bytes
    std::array<std::uint8_t, 16> device_uuid = {};
};
static_assert(sizeof(Request) == 40 && std::has_unique_object_representations_v<Request>);

inline constexpr std::uint32_t kHasFabric = 1;       ///< flag: created with a fabric handle
inline constexpr std::uint32_t kIsExported = 2;      ///< flag: a handle was given to a peer
inline constexpr std::uint32_t kKeepsFds = 4;        ///< flag, in the answer to hello: knows keep_fd, drop_fds, next_fd
inline constexpr std::uint32_t kCanListen = 8;       ///< flag, in the answer to hello: knows listen
inline constexpr std::uint32_t kTakesDonations = 16; ///< flag, in the answer to hello: knows donate

/// The answer to everything but a list that succeeded. `text` says what failed, and ends with a zero.
struct Answer {
    std::uint32_t version = kVersion;
    std::int32_t error = 0;  ///< errno, 0 for success
    std::int32_t driver = 0; ///< CUresult
    std::uint32_t flags = 0;
    std::uint64_t id = 0;
    std::uint64_t nonce = 0; ///< names this keeper: another keeper's ids mean other memory
    std::uint64_t count = 0; ///< extents held
    std::array<std::byte, kFabricHandleSize> fabric = {};
    std::array<char, 152> text = {};
};
static_assert(sizeof(Answer) == 256 && std::has_unique_object_representations_v<Answer>);

struct Listed {
    std::uint64_t id = 0;
    std::uint64_t size = 0; ///< bytes
    std::array<std::uint8_t, 16> device_uuid = {};
    std::uint64_t flags = 0;
};
static_assert(sizeof(Listed) == 40 && std::has_unique_object_representations_v<Listed>);

inline constexpr std::size_t kListMax = 512;
struct List {
    std::uint32_t version = kVersion;
    std::uint32_t count = 0; ///< of `extents`; fewer than kListMax: these are the last
    std::array<Listed, kListMax> extents = {};
};
static_assert(sizeof(List) == 8 + kListMax * sizeof(Listed) && std::has_unique_object_representations_v<List>);

} // namespace gmemfs::keeper_protocol
