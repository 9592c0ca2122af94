// CopyAttributes: what a copy takes over besides bytes.
#pragma once

#include "vmm/base/result.hpp"

#include <string>
#include <sys/stat.h>

namespace gmemfs {

/// What `cp` without options keeps nothing of: -p has mode, ACL, owner where that is allowed, and times; -a also the
/// extended attributes that the target takes.
enum class Preserve { nothing, attributes, all };

/// Gives the open file or folder `target` the access control lists that `source` has, and no others. EOPNOTSUPP: there
/// are none on that filesystem.
Result<void> copy_acls(int source, int target);
/// Of two open files or folders; nothing of Preserve::nothing. `status` is the source's.
Result<void> preserve_attributes(Preserve kept, int source, const struct stat &status, int target);
/// Of what isn't opened: a symbolic link, a fifo, a socket, a device.
Result<void> preserve_of_node(Preserve kept, const struct stat &status, const std::string &target);
/// Owner, mode, ACLs and extended attributes of `old`, so that `made` can take its place. EPERM: this user may not give
/// the owner.
Result<void> take_identity(int old, int made);

} // namespace gmemfs
