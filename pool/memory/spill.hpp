// Spill: host memory for what a device, the mount or a limit has no room for: `gmemfs run --spill=host`.
//
// It is memory that the driver makes (cuMemCreate) on the device's node, and the devices reach it over the bus, at some
// 50 GB/s. It is no file of the mount: a donation is a device's memory.
#pragma once

#include "pool/memory/pool_extent.hpp"

#include <cstdint>
#include <memory>
#include <optional>
#include <vector>

namespace gmemfs::pool {

/// A plain value. Thread-safe.
class Spill {
public:
    Spill() = default; ///< nothing is spilled
    /// ENOTSUP: the driver makes no such memory.
    static Result<Spill> to_host(const Driver &driver, const DeviceInfo &device);

    /// `refused` is what the device said, and is returned where nothing is spilled, or the host would be left with less
    /// than a sixteenth of its memory.
    Result<std::unique_ptr<PoolExtent>> make(
        const Driver &driver, const std::vector<CUdevice> &users, std::uint64_t size, const Error &refused) const;

private:
    std::optional<DeviceInfo> host_;
};

} // namespace gmemfs::pool
