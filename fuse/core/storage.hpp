// Storage: where a file's extents come from: the devices of the mount, the keeper, and the budget.
#pragma once

#include "fuse/core/budget.hpp"
#include "vmm/copiers.hpp"
#include "vmm/extent.hpp"

#include <cstdint>
#include <memory>
#include <vector>

namespace gmemfs {

/// Thread-safe. Outlives all files.
class Storage {
public:
    /// `devices` is not empty. `capacity` in bytes; 0 stands for the memory of all devices.
    Storage(Keeper &keeper, const std::vector<std::unique_ptr<Device>> &devices, std::uint64_t capacity);

    /// A new extent on `device`, cleared. Its bytes count against the budget until the last holder lets go of it.
    /// ENOSPC: the budget or the device is full.
    Result<std::shared_ptr<Extent>> create(Copiers &copiers, Device &device, std::uint64_t size);

    /// One that the keeper holds from before, with its contents; the budget is charged, even beyond its end. ENODEV:
    /// the mount doesn't use its device.
    Result<std::shared_ptr<Extent>> adopt(const Keeper::Held &held);
    /// One that nobody has adopted goes back to the device.
    void give_back(Keeper::Id id) { keeper_.release(id); }

    /// The device with the most free memory: where a new file goes that nobody has placed.
    Device &roomiest() const;
    /// By ordinal ("1"), or UUID ("GPU-..."); null where the mount doesn't use it.
    Device *find(const std::string &name) const;
    const std::vector<std::unique_ptr<Device>> &devices() const { return devices_; }

    struct Space {
        std::uint64_t capacity;  ///< bytes that files may use together
        std::uint64_t used;      ///< bytes of all extents
        std::uint64_t available; ///< bytes that can still be had: what the budget leaves and the devices have free
    };
    Space space() const;

private:
    std::shared_ptr<Extent> charged(std::shared_ptr<Extent> extent);

    Keeper &keeper_;
    const std::vector<std::unique_ptr<Device>> &devices_;
    Budget budget_;
};

} // namespace gmemfs
