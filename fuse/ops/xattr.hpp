// Xattr: answers requests for extended attributes: gmemfs' virtual ones, and those that users set.
//
// The virtual ones are one table in xattr.cpp: a new one is a row and a function. Most aren't listed, as on other
// filesystems, because `cp -a`, rsync -X and tar --xattrs would try to restore them elsewhere, and fail.
#pragma once

#include "fuse/core/names/inode.hpp"
#include "fuse/ops/reply.hpp"

#include <string>
#include <string_view>

namespace gmemfs {

/// Called by a worker's thread, while `reply` isn't answered yet.
/// ENODATA: there is no attribute of this name, or none on this inode. EOPNOTSUPP: the namespace is neither user,
/// trusted nor security, and the name is no ACL's.
Result<std::string> get_xattr(Reply &reply, Inode &inode, std::string_view name);
/// Bytes to tell a caller who asks how long the value is, now `length`, and reads it next, as getfattr does: a value
/// that changes by itself may have grown by then. A read returns the true length; getxattr(2) calls this one a hint.
std::size_t xattr_room(std::string_view name, std::size_t length);
/// EPERM: the attribute can only be read. EOPNOTSUPP: another namespace, or an unknown name that begins with
/// user.gmemfs.
Result<void> set_xattr(
    Reply &reply, Inode &inode, std::string_view name, std::string_view value, Inode::XattrMode mode);
Result<void> remove_xattr(Reply &reply, Inode &inode, std::string_view name);
/// The listed names, each with a zero at its end. Only root sees trusted ones.
std::string list_xattrs(const Reply &reply, const Inode &inode);

} // namespace gmemfs
