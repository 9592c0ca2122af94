// Whereabouts: on which device a file is, where its folder wants files, and whether a copy may take the file's place.
#pragma once

#include "vmm/base/result.hpp"

#include <map>
#include <string>
#include <sys/stat.h>

namespace gmemfs {

/// Of names in mounts and elsewhere; what lies in no mount is on no device. Not thread-safe.
class Whereabouts {
public:
    /// What `user.gmemfs.device` says: of a folder, where its new files go. Empty: nothing is decided, or nobody told.
    Result<std::string> device_of(const std::string &path, const struct stat &status);
    /// Whether the file, the folder, or anything below it on its filesystem is on another device than `device`, which
    /// may be empty for any.
    Result<bool> has_to_move(const std::string &path, const struct stat &status, const std::string &device);
    /// EBUSY: what another process writes to the file may never come to a copy: a peer has a lease to write, its handle
    /// was read, or its memory is a running program's.
    Result<void> check_unwritten(const std::string &path, const struct stat &status);

private:
    bool is_in_mount(const std::string &path, const struct stat &status);

    std::map<dev_t, bool> is_mount_; // of the filesystems seen so far
};

} // namespace gmemfs
