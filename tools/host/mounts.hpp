// Mounts: finds the gmemfs mount that a path lies in, and reads what the mount tells of itself.
#pragma once

#include "fuse/mounts/mount_table.hpp"

#include <nlohmann/json_fwd.hpp>

#include <optional>
#include <string>
#include <vector>

namespace gmemfs {

/// `path` without symbolic links, dots or a slash at its end; the last name is not looked up, because it may be the
/// root of a mount whose server has died. ENOENT: its folder doesn't exist.
Result<std::string> resolve_mount_point(const std::string &path);

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
