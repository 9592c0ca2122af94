// Unmount: ends the mount at a path, by umount2(2) as root, else by fusermount3.
#pragma once

#include "vmm/base/result.hpp"

#include <string>

namespace gmemfs {

enum class UnmountMode { when_idle, lazily };
/// EBUSY: the mount is in use, and the mode is when_idle. ENOENT: there is no fusermount3.
Result<void> unmount(const std::string &mount_point, UnmountMode mode);

} // namespace gmemfs
