#include "tools/snapshot/entry_attributes.hpp"

#include "fuse/core/names/acl.hpp"
#include "vmm/base/fd.hpp"

#include <fcntl.h>
#include <string_view>
#include <sys/stat.h>
#include <sys/xattr.h>
#include <unistd.h>

namespace gmemfs {
namespace {

// Whether it was set.
Result<bool> set_attribute(int file, const SnapshotEntry &entry, const SnapshotAttribute &attribute) {
    if (::fsetxattr(file, attribute.name.c_str(), attribute.value.data(), attribute.value.size(), 0) == 0) return true;
    const bool is_roots = !attribute.name.starts_with("user.") && !is_acl(attribute.name);
    if (!is_roots || (errno != EPERM && errno != EOPNOTSUPP))
        return Error{errno, 0, "set extended attribute", entry.name};
    return false;
}

// Owner before mode, which a change of owner may cut; times last. `set_owner`, `set_mode` and `set_times` are calls for
// the same file. `file`: open, to set extended attributes; -1: it can have none.
template <typename SetOwner, typename SetMode, typename SetTimes>
Result<std::size_t> set_in_order(int file, const SnapshotEntry &entry, const SetOwner &set_owner,
    const SetMode &set_mode, const SetTimes &set_times) {
    const auto failed_at = [&](const char *doing) { return Error{errno, 0, doing, entry.name}; };
    std::size_t left_out = 0;
    std::uint32_t mode = entry.mode & 07777;
    if (set_owner() != 0) {
        if (errno != EPERM && errno != EINVAL) return failed_at("set owner");
        mode &= entry.is_folder() ? 07777U : 01777U;
    }
    for (const std::string_view name_of_acl : {kAccessAcl, kDefaultAcl}) // a folder may have inherited some
        if (entry.is_folder()) (void)::fremovexattr(file, name_of_acl.data());
    for (const SnapshotAttribute &attribute : entry.attributes)
        if (!TRY(set_attribute(file, entry, attribute))) ++left_out;
    if (!entry.is_link() && set_mode(mode) != 0) return failed_at("set mode");
    const timespec times[] = {entry.accessed, entry.modified};
    if (set_times(times) != 0) return failed_at("set times");
    return left_out;
}

} // namespace

Result<std::size_t> set_attributes(int folder, const std::string &name, const SnapshotEntry &entry) {
    const char *const path = name.c_str();
    Fd file;
    if (!entry.attributes.empty() || entry.is_folder()) {
        file = Fd(::openat(folder, path, O_RDONLY | O_NOFOLLOW | O_NONBLOCK | O_CLOEXEC));
        if (!file) return Error{errno, 0, "open", entry.name};
    }
    return set_in_order(
        file.get(), entry, [&] { return ::fchownat(folder, path, entry.uid, entry.gid, AT_SYMLINK_NOFOLLOW); },
        // Not through a link: what is staged is our own, and a folder that was published is no link (open_folder).
        [&](std::uint32_t mode) { return ::fchmodat(folder, path, mode, 0); },
        [&](const timespec *times) { return ::utimensat(folder, path, times, AT_SYMLINK_NOFOLLOW); });
}

Result<std::size_t> set_attributes(int file, const SnapshotEntry &entry) {
    return set_in_order(
        file, entry, [&] { return ::fchown(file, entry.uid, entry.gid); },
        [&](std::uint32_t mode) { return ::fchmod(file, mode); },
        [&](const timespec *times) { return ::futimens(file, times); });
}

} // namespace gmemfs
