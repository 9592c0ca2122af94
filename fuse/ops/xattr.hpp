// Xattr: extended attributes: the virtual ones of the contract, and those that users set.
//
// The virtual ones are one table in xattr.cpp: a new one is a row and a function. None of them is listed, as other
// filesystems do with theirs: `cp -a`, rsync -X and tar --xattrs would try to restore them elsewhere, and fail.
#pragma once

#include "fuse/core/names/inode.hpp"
#include "fuse/ops/reply.hpp"

#include <string>
#include <string_view>

namespace gmemfs {

/// Called by a worker's thread, while `reply` isn't answered yet.
/// ENODATA: there is none of this name, or none on this inode. EOPNOTSUPP: another namespace than user, trusted and
/// security, and no access control list.
Result<std::string> get_xattr(Reply &reply, Inode &inode, std::string_view name);
/// EPERM: it can only be read. EOPNOTSUPP: another namespace, or an unknown name that begins with user.gmemfs.
Result<void> set_xattr(
    Reply &reply, Inode &inode, std::string_view name, std::string_view value, Inode::XattrMode mode);
Result<void> remove_xattr(Reply &reply, Inode &inode, std::string_view name);
/// The names that users set, each with a zero at its end; trusted ones are root's to see.
std::string list_xattrs(const Reply &reply, const Inode &inode);

} // namespace gmemfs
