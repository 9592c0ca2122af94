// Mounts: the gmemfs mounts of this mount namespace, from /proc/self/mountinfo, and what their roots tell.
#pragma once

#include "vmm/base/result.hpp"

#include <nlohmann/json.hpp>

#include <optional>
#include <string>
#include <vector>

namespace gmemfs {

/// The filesystem type that the kernel shows.
inline constexpr const char *kFilesystemType = "fuse.gmemfs";

struct Mount {
    std::string path;
    std::string type;   ///< "fuse.gmemfs"
    std::string source; ///< what stands first in /proc/mounts
};

/// Every mount of `type`, in the order in which they were mounted; of any type where it is empty.
Result<std::vector<Mount>> list_mounts(const std::string &type);

/// `path` without symbolic links, dots or a slash at its end; the last name is not looked up, because it may be the
/// root of a mount whose server has died. ENOENT: its folder doesn't exist.
Result<std::string> resolve_mount_point(const std::string &path);

/// The topmost mount at exactly `path`, which has been resolved. Empty where nothing is mounted there.
Result<std::optional<Mount>> find_mount(const std::string &path);

/// The gmemfs mount that `path` lies in. ENOENT: no such path. ENOTCONN: the mount's server has died. EINVAL: it lies
/// in no gmemfs mount.
Result<Mount> find_mount_of(const std::string &path);

/// Whether the resolved `path` is `folder` or lies below it.
bool lies_under(const std::string &path, const std::string &folder);

/// What to do about an errno from a mount, to be put after its path; empty where there is nothing to say.
const char *advice_for(int code);

/// The value of an extended attribute. ENOTCONN: the mount's server has died. ENODATA: no such attribute.
Result<std::string> read_attribute(const std::string &path, const char *name);

/// The counters of the mount whose root is `path`. EPROTO: they are no JSON. Else as read_attribute.
Result<nlohmann::json> read_stats(const std::string &path);

} // namespace gmemfs
