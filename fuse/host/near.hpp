// Near: which devices are near to a process (--place=near), by what /proc and /sys tell.
//
//     environment   CUDA_VISIBLE_DEVICES, NVIDIA_VISIBLE_DEVICES    the devices that the process sees, where it says so
//     processor     /proc/PID/stat, /sys/devices/system/node        the NUMA node that it runs on
//     device        the driver, else /sys/bus/pci                   the NUMA node that it is attached to
//
// What a process sees counts first, and of that what is on its node. Numbers count as the server's driver counts; in a
// container, which has NVIDIA_VISIBLE_DEVICES, CUDA_VISIBLE_DEVICES counts the devices that the container has. Who may
// not look into a process (another user's, of another PID namespace) learns nothing of it.
#pragma once

#include "fuse/core/space/placing.hpp"

#include <functional>
#include <map>
#include <memory>
#include <string>
#include <string_view>
#include <sys/types.h>
#include <vector>

namespace gmemfs {

/// Immutable, and so thread-safe.
class Near final : public Neighbours {
public:
    struct Roots {
        std::string proc = "/proc", sys = "/sys"; // a test has its own
    };
    /// `all` is what the driver shows, `mine` the mount's, which outlive this. `caller`: see Host::create().
    Near(std::vector<DeviceInfo> all, const std::vector<std::unique_ptr<Device>> &mine, std::function<pid_t()> caller,
        Roots roots);

    /// 0.1 ms, which is /proc (a virtual machine of 2 cores): so once a file, when it first gets memory.
    std::vector<std::vector<Device *>> near() const override;

    int node_of(const DeviceInfo &device) const; ///< -1: unknown

private:
    int node_of_process(const std::string &folder) const;
    std::vector<int> seen_by_process(const std::string &folder) const;
    std::vector<int> ordinals(std::string_view list, const std::vector<int> &base) const;

    const std::vector<DeviceInfo> all_;
    const std::vector<std::unique_ptr<Device>> &mine_;
    const std::function<pid_t()> caller_;
    const Roots roots_;
    std::vector<int> node_of_processor_;    // by its number; -1: unknown
    std::map<const Device *, int> node_of_; // of the mount's devices
};

} // namespace gmemfs
