// Save file: checks that --on-shutdown will be able to save the files of a mount where it is told to.
#pragma once

#include "fuse/host/options.hpp"

namespace gmemfs {

/// Checks options whose mount point is resolved; does nothing where nothing is to be saved. EINVAL: the save file would
/// lie in the mount. EISDIR: it is a folder. ENOENT, ENOTDIR, EACCES, EROFS: its folder is missing, or this user can't
/// write there. EPERM: other users could have written the file.
Result<void> check_save_file(const Options &options);

/// A line for the user where the disk has less room than `capacity` bytes; else empty.
std::string describe_lack_of_room(const std::string &save_file, std::uint64_t capacity);

} // namespace gmemfs
