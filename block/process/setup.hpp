// Setup: what a worker must know and hold to serve a disk, and how its supervisor hands that over.
#pragma once

#include "block/disk/disk.hpp"
#include "client/lib/broker_session.hpp"
#include "vmm/base/fd.hpp"

#include <map>
#include <optional>
#include <string>
#include <string_view>

namespace gmemfs::block {

enum class DoorKind : std::uint8_t { socket, nbd, ublk };

/// As users write it.
constexpr const char *word_of(DoorKind kind) {
    switch (kind) {
    case DoorKind::socket: return "socket";
    case DoorKind::nbd: return "nbd";
    case DoorKind::ublk: return "ublk";
    }
    return "";
}

/// How much of a worker must be locked into memory: of a disk that swap lies on, all.
enum class Locking : std::uint8_t { where_allowed, required };

constexpr std::optional<DoorKind> door_of(std::string_view word) {
    for (const DoorKind kind : {DoorKind::socket, DoorKind::nbd, DoorKind::ublk})
        if (word == word_of(kind)) return kind;
    return {};
}

/// What stays the same for as long as there is a device. A plain value.
struct Plan {
    DoorKind door = DoorKind::socket;
    Mode mode = Mode::read_write;
    Locking locking = Locking::where_allowed;
    std::uint32_t queues = 1;           ///< of the kernel's doors
    std::uint32_t depth = 64;           ///< requests of a ublk queue at once
    std::uint32_t io_size = 128 * 1024; ///< bytes of such a request at the most
    std::int32_t number = -1;           ///< N of /dev/ublkbN and /dev/nbdN
    std::uint64_t size = 0;             ///< bytes of the disk
    std::uint64_t sums = 0;             ///< how many checksums there are; 0: none
    std::uint64_t parts = 0;            ///< how many a thin disk has, holes as well; 0: it isn't thin
    std::string driver;                 ///< library
    std::string device;                 ///< of a thin disk: where its memory will be (Disk::open_thin)
    std::string file;                   ///< for messages; of a thin disk the directory
};

/// A Plan, and the descriptors that go with it. Move-only.
struct Setup {
    Plan plan;
    client::Attached attached;                       ///< all extents by descriptors
    std::map<std::uint32_t, client::Attached> parts; ///< of a thin disk, by their index, instead
    Fd shared;                                       ///< see SharedMemory; none where that is empty
    Fd listener;                                     ///< DoorKind::socket
};

/// Over a SOCK_SEQPACKET socket, in as many messages as the descriptors need. The sender keeps its descriptors.
Result<void> send_setup(int socket, const Setup &setup);
/// EPROTO: what came is none. ECONNRESET: the sender has gone.
Result<Setup> receive_setup(int socket);

/// A Signal of Kind::part, and the part's extents. EAGAIN: the receiver doesn't read.
Result<void> send_part(int socket, std::uint32_t index, const client::Attached &part);
/// The extents behind such a Signal, whose code is their count. Errors: as those of receive_setup().
Result<client::Attached> receive_part(int socket, std::size_t extent_count);

} // namespace gmemfs::block
