#include "tools/copy/attributes.hpp"

#include "fuse/core/names/acl.hpp"
#include "vmm/base/limits.hpp"

#include <fcntl.h>
#include <string_view>
#include <sys/xattr.h>
#include <unistd.h>
#include <vector>

namespace gmemfs {
namespace {

// What the target doesn't take (another filesystem, another user) is left out, as cp -a has it.
void copy_extended(int source, int target) {
    std::vector<char> names(kXattrListMax), value(kXattrSizeMax);
    const ssize_t size = ::flistxattr(source, names.data(), names.size());
    for (ssize_t at = 0; at < size; at += static_cast<ssize_t>(std::string_view(&names[at]).size()) + 1) {
        const char *const name = &names[at];
        if (is_acl(name)) continue; // copy_acls()
        const ssize_t length = ::fgetxattr(source, name, value.data(), value.size());
        if (length >= 0) (void)::fsetxattr(target, name, value.data(), static_cast<std::size_t>(length), 0);
    }
}

} // namespace

Result<void> copy_acls(int source, int target) {
    std::vector<char> value(kXattrSizeMax);
    for (const std::string_view name : {kAccessAcl, kDefaultAcl}) {
        const ssize_t size = ::fgetxattr(source, name.data(), value.data(), value.size());
        if (size < 0 && errno != ENODATA && errno != EOPNOTSUPP) return Error{errno, 0, "read access control list", {}};
        if (size < 0)
            (void)::fremovexattr(target, name.data()); // what its folder handed down
        else if (::fsetxattr(target, name.data(), value.data(), static_cast<std::size_t>(size), 0) != 0)
            return Error{errno, 0, "set access control list", {}};
    }
    return {};
}

Result<void> preserve_attributes(Preserve kept, int source, const struct stat &status, int target) {
    if (kept == Preserve::nothing) return {};
    const int refused = ::fchown(target, status.st_uid, status.st_gid); // root alone may, as with cp -p
    if (refused != 0) (void)::fchown(target, static_cast<uid_t>(-1), status.st_gid);
    if (kept == Preserve::all) copy_extended(source, target);
    TRY(copy_acls(source, target));
    const mode_t mode = status.st_mode & (refused == 0 ? 07777 : 0777);
    if (::fchmod(target, mode) != 0) return Error{errno, 0, "set mode", {}};
    const timespec times[] = {status.st_atim, status.st_mtim};
    if (::futimens(target, times) != 0) return Error{errno, 0, "set times", {}};
    return {};
}

Result<void> preserve_of_node(Preserve kept, const struct stat &status, const std::string &target) {
    if (kept == Preserve::nothing) return {};
    const bool is_link = S_ISLNK(status.st_mode);
    const int refused = ::lchown(target.c_str(), status.st_uid, status.st_gid);
    if (refused != 0) (void)::lchown(target.c_str(), static_cast<uid_t>(-1), status.st_gid);
    const mode_t mode = status.st_mode & (refused == 0 ? 07777 : 0777);
    if (!is_link && ::chmod(target.c_str(), mode) != 0) return Error{errno, 0, "set mode", target};
    const timespec times[] = {status.st_atim, status.st_mtim};
    if (::utimensat(AT_FDCWD, target.c_str(), times, AT_SYMLINK_NOFOLLOW) != 0)
        return Error{errno, 0, "set times", target};
    return {};
}

Result<void> take_identity(int old, int made) {
    struct stat status = {}, mine = {};
    if (::fstat(old, &status) != 0 || ::fstat(made, &mine) != 0) return Error{errno, 0, "stat", {}};
    const bool is_same = status.st_uid == mine.st_uid && status.st_gid == mine.st_gid;
    if (!is_same && ::fchown(made, status.st_uid, status.st_gid) != 0)
        return Error{errno, 0, "keep the owner", "copy without --atomic, which writes into the file that is there"};
    copy_extended(old, made);
    TRY(copy_acls(old, made));
    // A program's set-user-ID isn't that of the bytes that take its place: writing to it would have dropped it, too.
    if (::fchmod(made, status.st_mode & 01777) != 0) return Error{errno, 0, "set mode", {}};
    return {};
}

} // namespace gmemfs
