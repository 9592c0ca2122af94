// DeviceFile: a file of a mount, mapped into this process by libgmemfs, with the lease that goes with that.
#pragma once

#include "client/lib/gmemfs.h"
#include "vmm/base/result.hpp"

#include <memory>
#include <string>

namespace gmemfs {

/// Owner. Immutable, and so thread-safe; no copy may be under way when it ends.
class DeviceFile {
public:
    /// `library`: the driver's. `access`: GMEMFS_READ for a source, whose parity stays current then, or
    /// GMEMFS_READ_WRITE. `reach`: GMEMFS_REACH_... Errors: gmemfs_open's and gmemfs_map's.
    static Result<std::unique_ptr<DeviceFile>> open(
        const std::string &path, const std::string &library, int access, int reach);
    DeviceFile(const DeviceFile &) = delete;
    DeviceFile &operator=(const DeviceFile &) = delete;
    ~DeviceFile();
    const gmemfs_mapping_info &info() const { return info_; }

private:
    DeviceFile() = default;
    int map(int access, int reach);

    gmemfs_file *file_ = nullptr;
    gmemfs_mapping *mapping_ = nullptr;
    gmemfs_mapping_info info_ = {};
};

} // namespace gmemfs
