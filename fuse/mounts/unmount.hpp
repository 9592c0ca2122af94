// Unmount: ends a mount at a path, as root by umount2(2), else by fusermount3.
#pragma once

#include "vmm/base/result.hpp"

#include <string>

namespace gmemfs {

enum class UnmountMode { when_idle, lazily };
/// By umount2(2), or by fusermount3 for other users than root. EBUSY: it is in use, and the mode is when_idle. ENOENT:
/// no fusermount3.
Result<void> unmount(const std::string &mount_point, UnmountMode mode);

} // namespace gmemfs
