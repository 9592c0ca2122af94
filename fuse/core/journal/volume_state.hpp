// VolumeState: a volume without its data, as plain values: the sum of a journal's records.
#pragma once

#include "vmm/base/secret.hpp"
#include "vmm/memory/keeper.hpp"

#include <array>
#include <cstdint>
#include <ctime>
#include <map>
#include <set>
#include <string>
#include <sys/types.h>
#include <vector>

namespace gmemfs {

using InodeId = std::uint64_t;
inline constexpr InodeId kRootInode = 1; ///< as FUSE has it

/// Whether a file, or a directory's new files, have parity.
enum class Protection : std::uint8_t { none, parity };

/// How a file's extents hold its bytes (docs/cold.md).
enum class Residence : std::uint8_t {
    plain,  ///< as they are
    packed, ///< as an image that decodes to them; what needs the bytes themselves wakes the file first
};

/// Whether a handle of the file's memory was given out by name, as an attribute. Then nobody can know whether a process
/// has it mapped.
enum class NamedHandle : std::uint8_t { none, given };

/// The flags of chattr(1) that tmpfs has, too, and btrfs's c, with the numbers of FS_IOC_SETFLAGS in <linux/fs.h>. The
/// kernel's FUSE knows nothing of them, so every function that changes an inode first asks Inode::check_flags.
using InodeFlags = std::uint32_t;
inline constexpr InodeFlags kCompress = 0x4;      ///< c: a file that nobody uses is packed, soon
inline constexpr InodeFlags kImmutable = 0x10;    ///< i: nothing of the inode changes; of a directory: nor do its names
inline constexpr InodeFlags kAppendOnly = 0x20;   ///< a: a file grows at its end; a directory gets names and loses none
inline constexpr InodeFlags kNoDump = 0x40;       ///< d: for backups
inline constexpr InodeFlags kNoAccessTime = 0x80; ///< A: reading leaves no trace
inline constexpr InodeFlags kFixed = kImmutable | kAppendOnly;
inline constexpr InodeFlags kHandedDown = kNoDump | kNoAccessTime | kCompress; ///< by a directory to what is made in it
inline constexpr InodeFlags kAllFlags = kFixed | kHandedDown;

/// A plain value. Numbers as in Attributes; times to the nanosecond. Namespace::restore checks everything in it,
/// because a record can be whole and wrong.
struct VolumeState {
    using Uuid = std::array<std::uint8_t, 16>; ///< of a device; all zeros for none

    /// Where files live: Placement, by the devices' UUIDs.
    struct Place {
        Uuid home = {};           ///< of a file also where it lives, once it has memory
        std::vector<Uuid> others; ///< of a file over several devices: those behind the first
        std::uint64_t unit = 0;
        bool is_automatic = false;
        bool operator==(const Place &) const = default;
    };

    /// `length` bytes of an extent from `offset`; a file is a list of them.
    struct Piece {
        Keeper::Id extent = 0;
        std::uint64_t offset = 0, length = 0;
        bool operator==(const Piece &) const = default;
    };
    struct Node {
        mode_t mode = 0;
        std::uint32_t links = 0;
        uid_t uid = 0;
        gid_t gid = 0;
        dev_t device_number = 0;
        std::array<std::int64_t, 6> times = {}; ///< accessed, modified, changed: seconds and nanoseconds of each
        std::string target;
        Place placement; ///< of a directory: where its new files live; of a file: where it lives
        Protection protection = Protection::none; ///< of a directory: what its new files have
        std::uint32_t flags = 0;                  ///< InodeFlags
        bool is_linkable = false;                 ///< has no name yet, and may get one: O_TMPFILE
        std::uint64_t generation = 0;             ///< of a file's extents; 0: never had any
        std::uint64_t size = 0, kept = 0;
        Residence residence = Residence::plain;
        std::uint32_t nvcomp = 0; ///< of a packed file: the version of nvCOMP that it needs; 0: none
        NamedHandle named_handle = NamedHandle::none;
        std::vector<Piece> pieces;
        std::map<std::string, std::string> xattrs;
        bool operator==(const Node &) const = default;
    };
    struct Entry {
        std::uint64_t inode = 0, cookie = 0;
        bool operator==(const Entry &) const = default;
    };

    /// A process that holds leases, by one connection: see Leases::Holder.
    struct Holder {
        std::int32_t pid = 0;
        std::uint64_t start_time = 0, unanswered = 0;
        bool operator==(const Holder &) const = default;
    };
    struct Lease {
        std::uint64_t holder = 0, inode = 0;
        std::uint8_t kind = 0; ///< bit 0: to write; bit 1: exclusive; bits 2, 3: Leases::Bond
        std::vector<std::uint64_t> extents;
        bool operator==(const Lease &) const = default;
    };

    std::uint64_t keeper_nonce = 0;                                    ///< of the keeper that the extents' ids are of
    std::uint64_t next_inode = 0;                                      ///< no number below it is given again
    std::map<std::uint64_t, Node> nodes;                               ///< by inode number
    std::map<std::uint64_t, std::map<std::string, Entry>> directories; ///< by inode number, then by name
    std::map<std::uint64_t, Holder> holders;
    std::map<std::uint64_t, Lease> leases;
    std::uint64_t next_lease = 0; ///< no number of a lease or a holder below it is given again
    /// What tickets are signed with. All zeros: the journal is of a server that recorded no leases.
    Secret ticket_secret = {};
    /// The last kDoneMax requests whose changes are in this state. A request that the kernel asks again isn't carried
    /// out twice.
    std::set<std::uint64_t> done;
    static constexpr std::size_t kDoneMax = 4096; // the kernel has far fewer in flight
    bool operator==(const VolumeState &) const = default;
};

} // namespace gmemfs
