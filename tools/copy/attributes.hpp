// CopyAttributes: what a copy takes over besides bytes: mode, owner, times, ACLs, extended attributes.
#pragma once

#include "vmm/base/result.hpp"

#include <string>
#include <sys/stat.h>

namespace gmemfs {

/// What of its source a copy keeps besides the bytes. attributes (-p): mode, ACL, owner where that is allowed, and
/// times. all (-a): also the extended attributes that the target takes.
enum class Preserve { nothing, attributes, all };

/// Gives the open file or folder `target` the access control lists that `source` has, and no others. EOPNOTSUPP: there
/// are none on that filesystem.
Result<void> copy_acls(int source, int target);
/// Gives one open file or folder the attributes of another one; does nothing for Preserve::nothing. `status` is the
/// source's.
Result<void> preserve_attributes(Preserve kept, int source, const struct stat &status, int target);
/// The same for a target that isn't opened: a symbolic link, a fifo, a socket, a device node.
Result<void> preserve_of_node(Preserve kept, const struct stat &status, const std::string &target);
/// Gives the file `made` owner, mode, ACLs and extended attributes of `old`, so that it can take the place of `old`.
/// EPERM: this user may not give the file to that owner.
Result<void> take_identity(int old, int made);

} // namespace gmemfs
