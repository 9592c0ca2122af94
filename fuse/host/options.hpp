// Options: what `gmemfs mount` was asked for, as one immutable value, which command_line.hpp makes.
//
// Every setting is one row of a table: see settings.hpp.
#pragma once

#include "fuse/core/space/placing.hpp"
#include "vmm/base/result.hpp"
#include "vmm/base/units.hpp"
#include "vmm/memory/handle.hpp"

#include <cstdint>
#include <map>
#include <optional>
#include <string>
#include <string_view>
#include <sys/types.h>
#include <vector>

namespace gmemfs {

/// What files that nobody uses do where an allocation finds the device full.
enum class RoomBy {
    none, ///< nothing
    pack, ///< they are packed
    host, ///< they go to host memory, packed
};
constexpr const char *word_of(RoomBy how) {
    switch (how) {
    case RoomBy::none: return "off";
    case RoomBy::pack: return "pack";
    case RoomBy::host: return "host";
    }
    return "";
}
constexpr std::optional<RoomBy> room_by_of(std::string_view word) {
    for (const RoomBy how : {RoomBy::none, RoomBy::pack, RoomBy::host})
        if (word == word_of(how)) return how;
    return {};
}

enum class SavesAs { plain, packed }; ///< packed: as `gmemfs save --pack`

/// A plain value, never changed after parse_options().
struct Options {
    std::string mount_point;
    bool foreground = false;
    bool debug = false;                       ///< a line a request on the log; stays in the foreground
    bool remount = false;                     ///< change the flags of a mount that is there, and nothing else
    bool print = false;                       ///< show every value and where it came from, and mount nothing
    std::vector<std::string> devices = {"0"}; ///< ordinals or UUIDs; "all" alone for all of them
    PlaceBy place = PlaceBy::free;            ///< where a file goes that nobody has placed
    bool simulate = false;                    ///< the simulator instead of a driver
    std::uint64_t simulate_size = 0;          ///< bytes of the simulated device; 0 for what the simulator has
    std::uint64_t capacity = 0;               ///< bytes; 0 for the memory of all devices
    std::map<uid_t, std::uint64_t> quotas;    ///< bytes a user
    std::uint64_t max_files = 0;              ///< 0: by the host's memory
    HandlePolicy handles = HandlePolicy::automatic;
    bool keeper = true;                      ///< a process of its own holds the memory, and it outlives the server
    bool broker = true;                      ///< descriptors for peers; without it, fabric handles alone
    bool ecc = false;                        ///< new files have parity, unless their directory says otherwise
    bool acl = true;                         ///< there are access control lists
    bool allow_inject = false;               ///< `gmemfs inject` may damage files
    bool verify_reads = false;               ///< what is read is compared with its parity before
    std::uint64_t scrub_rate = GiB;          ///< bytes a second that are read in the background to verify them; 0: none
    unsigned scrub_every = 60;               ///< seconds from the begin of a pass to that of the next
    unsigned pack_after = 0;                 ///< seconds after which a file that nobody uses is packed; 0: never
    unsigned host_after = 0;                 ///< seconds after which it goes to host memory; 0: never
    std::optional<std::uint64_t> host_limit; ///< bytes of host memory that files may have; unset: half of the machine's
    RoomBy make_room = RoomBy::none;
    unsigned workers = 0;        ///< threads that serve requests; 0 for 4 to 16, by the cores
    bool page_cache = false;     ///< read and write agree with shared mappings: through the host's page cache
    bool list_handles = false;   ///< user.fabric_handle is among the attributes that are listed
    std::uint64_t blksize = MiB; ///< st_blksize of files: by what programs read and write
    bool io_uring = false;       ///< requests come by the kernel's rings; then there is no supervisor
    int supervisor = -1; ///< descriptor of the socket to the supervisor, which started this process; -1: there is none
    std::string save_file; ///< where all is saved when the mount ends, and restored from when it begins; empty: nowhere
    SavesAs saves_as = SavesAs::plain;
    std::string log_file;
    std::string source = "gmemfs";              ///< what stands first in /proc/mounts
    std::vector<std::string> mount_options;     ///< for libfuse and the kernel: allow_other, ro, noatime, ...
    std::map<std::string, std::string> origins; ///< of each setting that isn't a default: "flag" or "-o"
};

/// From here on runtime_base() doesn't depend on the working folder. ENOENT: runtime_base() is relative, and the
/// working folder is gone.
Result<void> fix_runtime_base();

/// The folder where mounts leave what their next server needs: GMEMFS_RUNTIME_DIR where that is set, else /run/gmemfs
/// for root, and $XDG_RUNTIME_DIR/gmemfs for others (/tmp/gmemfs-UID where that variable isn't set).
std::string runtime_base();

} // namespace gmemfs
