// DoctorChecks: tries each thing that gmemfs needs of a machine, and knows the fix for what is missing.
#pragma once

#include "vmm/device/driver.hpp"

#include <string>
#include <vector>

namespace gmemfs {

enum class Verdict {
    ok,
    warn, ///< gmemfs works without it, in part
    fail, ///< gmemfs can't mount without it
};

struct Check {
    std::string name; ///< "fabric handles"
    Verdict verdict;
    std::string found; ///< what is there
    std::string fix;   ///< the command to run, or what to do; empty where there is nothing to mend
};
using Checks = std::vector<Check>;

/// Looks for a driver (`library`: a soname or a path), its devices, and what they can do. Creates 2 MiB on each device
/// with every handle type, because a device's attributes may promise what creation refuses.
Checks check_driver(const std::string &library);

/// Looks for the character device that the driver wants for fabric handles, and at which users may open it.
/// check_driver() says whether fabric handles work, so nothing here is worse than `warn`.
Checks check_imex_channel();

/// Checks the kernel's side of a mount: /dev/fuse, fusermount3 for ordinary users, /etc/fuse.conf, locked memory,
/// io_uring; and where nothing of that stands in the way, check_session().
Checks check_fuse();

/// Mounts in a folder of its own, as this user, by the libfuse that is here, asks the mount something, and unmounts.
Check check_session();

/// Where nvCOMP is, by which the GPU packs batches of pages; never worse than `warn`.
Check check_nvcomp();

/// By which drivers of the kernel a file can be a block device, and swap lie on it; never worse than `warn`.
Checks check_block_devices();

/// Whether the simulator's library lies beside this program.
Checks check_simulator();

/// Whether no check failed.
bool all_pass(const Checks &checks);

} // namespace gmemfs
