// Mount point: what must be so before anything is mounted, each said in a line that names the way out.
#pragma once

#include "fuse/host/options.hpp"
#include "vmm/base/result.hpp"

#include <string>

namespace gmemfs {

/// The absolute path. ENOENT, ENOTDIR, EACCES; ENOTCONN: the server of a mount there has died; EBUSY: a gmemfs is
/// there.
Result<std::string> check_mount_point(const std::string &path);

/// Whether `path`, a file or folder that may be yet to make, would lie in what is to be mounted at `mount_point`, by
/// whatever name and symbolic link: then the server would ask itself for it.
bool would_lie_in(const std::string &path, const std::string &mount_point);

/// Of options whose mount point is resolved. EINVAL: the log, the runtime folder or this program would lie in the
/// mount.
Result<void> check_own_files(const Options &options);

/// /dev/fuse, and for other users than root fusermount3 and what /etc/fuse.conf allows. Not whether there are rings.
Result<void> check_fuse(const Options &options);

} // namespace gmemfs
