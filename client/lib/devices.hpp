// Devices: the driver and the devices that this process sees, opened and queried once.
#pragma once

#include "vmm/device/device.hpp"

#include <memory>
#include <string>
#include <vector>

namespace gmemfs::client {

constexpr std::size_t kDevicesMax = 1024; ///< that options may list: more than any machine has

/// Immutable, and so thread-safe.
struct Devices {
    std::unique_ptr<Driver> driver;
    std::vector<DeviceInfo> all; ///< by ordinal

    /// ENODEV: this process has no such device.
    Result<CUdevice> find(int ordinal) const;
};

/// The driver's library: `chosen`, or $GMEMFS_DRIVER, or libcuda.so.1.
std::string driver_library(const char *chosen);

/// The devices of that library, kept from the first call on, because a driver shows the same devices from its
/// initialisation on. Thread-safe. Errors: see Driver::open and query_devices.
Result<std::shared_ptr<const Devices>> open_devices(const std::string &library);

} // namespace gmemfs::client
