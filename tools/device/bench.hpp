// DeviceBench: measures a device's copy engines, memory and parity kernels, whose speed no filesystem exceeds.
#pragma once

#include "vmm/device/device.hpp"

#include <cstdint>
#include <vector>

namespace gmemfs {

struct DeviceBenchSettings {
    std::uint64_t size = 0; ///< bytes of each of the two extents, rounded up to the granularity
    unsigned rounds = 7;    ///< measurements of each case, after one that isn't counted
};

/// Medians. A plain value.
struct DeviceBenchCase {
    const char *name;    ///< for people
    const char *key;     ///< in JSON
    std::uint64_t bytes; ///< moved; a copy on the device reads and writes. 0: only the time says something
    double seconds;
};

/// Runs each case once a round, so that all see the same clocks. All memory is free again when it returns. ENOSPC: the
/// device is full. EINTR: the user has interrupted.
Result<std::vector<DeviceBenchCase>> bench_device(Device &device, const DeviceBenchSettings &settings);

} // namespace gmemfs
