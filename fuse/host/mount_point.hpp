// Mount point: checks before anything is mounted, each with an error that says what to do.
#pragma once

#include "fuse/host/options.hpp"
#include "vmm/base/result.hpp"

#include <string>

namespace gmemfs {

/// The absolute path of `path`. ENOENT, ENOTDIR, EACCES: it can't be mounted on. ENOTCONN: the server of a mount there
/// has died. EBUSY: a gmemfs is mounted there.
Result<std::string> check_mount_point(const std::string &path);

/// Whether `path`, a file or folder that needn't exist, would lie in what is to be mounted at `mount_point`, by
/// whatever name and symbolic link. Then the server would ask itself for that file.
bool would_lie_in(const std::string &path, const std::string &mount_point);

/// Checks options whose mount point is resolved. EINVAL: the log, the runtime folder or this program would lie in the
/// mount.
Result<void> check_own_files(const Options &options);

/// Checks /dev/fuse, and for users other than root fusermount3 and what /etc/fuse.conf allows. Doesn't check for
/// io_uring.
Result<void> check_fuse(const Options &options);

} // namespace gmemfs
