// Save file: where --on-shutdown saves the files of a mount, and what must be so for that to work one day.
#pragma once

#include "fuse/host/options.hpp"

namespace gmemfs {

/// Of options whose mount point is resolved. Nothing where nothing is to be saved. EINVAL: it would lie in the mount.
/// EISDIR: it is a folder. ENOENT, ENOTDIR, EACCES, EROFS: its folder is missing, or this user can't write there.
/// EPERM: others could have written it.
Result<void> check_save_file(const Options &options);

/// A line that says so where the disk has less room than `capacity` bytes; empty where it has more.
std::string describe_lack_of_room(const std::string &save_file, std::uint64_t capacity);

} // namespace gmemfs
