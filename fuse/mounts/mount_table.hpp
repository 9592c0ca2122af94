// MountTable: what is mounted where in this mount namespace, and how a filesystem is detached by its number.
//
// The table is /proc/self/mountinfo. A path is no name for a filesystem, because others may have mounted something
// there since. Nothing here asks a filesystem's server, which may hang.
#pragma once

#include "vmm/base/fd.hpp"

#include <optional>
#include <string>
#include <vector>

namespace gmemfs {

/// The filesystem type that the kernel shows.
inline constexpr const char *kFilesystemType = "fuse.gmemfs";

struct Mount {
    std::string path;
    std::string type;    ///< "fuse.gmemfs"
    std::string source;  ///< what stands first in /proc/mounts
    std::string number;  ///< "major:minor" of the filesystem; not used again before the filesystem is gone for good
    std::string options; ///< of this mount, by words that Linux has for them
    std::string filesystem_options; ///< of all of its mounts
    int id = 0;                     ///< of the mount; used again when it is gone
    int parent = 0;                 ///< id of the mount that it lies on or in
};

/// Every mount of `type`, in the order in which they were mounted; of any type where it is empty.
Result<std::vector<Mount>> list_mounts(const std::string &type);
/// All mounts, by a descriptor of /proc/self/mountinfo, which is read from its start.
std::vector<Mount> read_mounts(const Fd &table);

/// The topmost mount at exactly `path`, which has been resolved. Empty where nothing is mounted there.
Result<std::optional<Mount>> find_mount(const std::string &path);

/// "major:minor" of the filesystem that `path` leads to. The errno of statx(2).
Result<std::string> filesystem_number(const std::string &path);
/// "major:minor" of the filesystem that `channel`, a descriptor of /dev/fuse, serves. Empty where Linux doesn't tell
/// (before 6.16).
std::string connection_number(int channel);

/// Whether the table says that the gmemfs `number` is mounted anywhere.
bool is_mounted(const std::vector<Mount> &table, const std::string &number);

struct Detached {
    std::vector<std::string> paths; ///< where it was
    std::vector<std::string> left;  ///< where it still is, because other mounts lie on it or in it, or are in the way
};
/// Detaches the gmemfs `number`, and nothing else, wherever this namespace has it mounted; at once, also where it is in
/// use.
Detached detach_filesystem(const std::string &number);

} // namespace gmemfs
