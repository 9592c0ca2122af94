// Block device: starts a supervisor for a file, and asks those that run.
#pragma once

#include "block/process/setup.hpp"

#include <nlohmann/json_fwd.hpp>

#include <optional>
#include <string>
#include <vector>

namespace gmemfs {

/// What `gmemfs block` and `gmemfs swap` want. A plain value.
struct BlockOptions {
    std::string file;                    ///< absolute
    std::optional<block::DoorKind> door; ///< none: the best one that this machine has
    int number = -1;                     ///< of the kernel's device; -1: a free one
    std::string socket;                  ///< absolute; of DoorKind::socket
    unsigned queues = 0;                 ///< 0: by the number of processors
    block::Mode mode = block::Mode::read_write;
    block::Locking locking = block::Locking::where_allowed;
    bool verifies = false, has_spare = true;
    /// A worker whose supervisor has died, with the numbers of its descriptors; 0: the device is a new one.
    int orphan = 0, orphan_shared = -1, orphan_listener = -1;
};

/// "/dev/nbd3" or "3" to 3, where `prefix` is "/dev/nbd". EINVAL: it is neither.
Result<int> device_number(std::string text, const std::string &prefix);
/// Without links and dots, as a supervisor has it. The last name needn't be there.
Result<std::string> absolute_path(const std::string &path);

/// Makes the file where it isn't there, or is empty. EEXIST: it has another size. EINVAL: it would lie on no gmemfs
/// mount.
Result<void> make_disk_file(const std::string &path, std::uint64_t size);

/// The same with the directory of a thin disk. EINVAL: no size, and it isn't there. ENOTDIR: it is a file. Others: see
/// block::make_thin_folder().
Result<void> make_thin_disk(const std::string &path, std::optional<std::uint64_t> size);

/// EINVAL: the door has fewer queues than are wanted.
Result<void> check_queues(const BlockOptions &options);

/// Which door is taken where none is named.
block::DoorKind best_door();

/// Starts the supervisor in the background, and returns the device's name once the device is there. The supervisor's
/// own message has been printed where it has failed: then the Error's code is ECHILD.
Result<std::string> start_block_device(const BlockOptions &options);
/// Becomes the supervisor, which prints the device's name. Returns only where that fails.
Error become_supervisor(const BlockOptions &options);

/// Starts another supervisor for the device at `name`, whose own one has died. EALREADY: it has one.
Result<void> adopt_block_device(const std::string &name);

/// What each supervisor of this user says of its device, and each worker whose supervisor has died.
std::vector<nlohmann::json> list_block_devices();
/// The one of the device, socket or file at `name`. ENOENT: there is none.
Result<void> detach_block_device(const std::string &name);

} // namespace gmemfs
