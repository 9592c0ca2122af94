// Opening: opens a file of a gmemfs mount, and makes or cuts nothing where a path leads elsewhere.
#pragma once

#include "client/lib/devices.hpp"
#include "client/lib/gmemfs.h"
#include "vmm/base/fd.hpp"

#include <memory>
#include <string>

namespace gmemfs::client {

/// Immutable, and so thread-safe.
struct OpenedPath {
    std::string path; ///< as it was given
    Fd fd;
    std::shared_ptr<const Devices> devices;
};

/// Does what gmemfs_open promises. Nothing is made or cut where there is no driver, and nothing ever outside a gmemfs
/// mount.
Result<std::shared_ptr<OpenedPath>> open_file(const char *path, const gmemfs_open_options &options);
/// `library`: the driver's, or null.
Result<std::shared_ptr<OpenedPath>> open_directory(const char *path, const char *library);

} // namespace gmemfs::client
