// Opening: a file of a gmemfs mount, looked at before anything is made or cut: a path may lead anywhere.
#pragma once

#include "client/lib/devices.hpp"
#include "client/lib/gmemfs.h"
#include "vmm/base/fd.hpp"

#include <memory>
#include <string>

namespace gmemfs::client {

/// Immutable, and so thread-safe.
struct OpenFile {
    std::string path; ///< as it was given
    Fd fd;
    std::shared_ptr<const Devices> devices;
};

/// What gmemfs_open does. Nothing is made or cut where there is no driver, and nothing ever outside a gmemfs mount.
Result<std::shared_ptr<OpenFile>> open_file(const char *path, const gmemfs_open_options &options);
/// `library`: the driver's, or null.
Result<std::shared_ptr<OpenFile>> open_directory(const char *path, const char *library);

} // namespace gmemfs::client
