// Nvml: NVIDIA's management library, opened at run time: what each process is charged for.
#pragma once

#include "vmm/base/result.hpp"
#include "vmm/device/nvml.h"

#include <cstdint>
#include <memory>
#include <optional>
#include <string>
#include <sys/types.h>
#include <vector>

namespace gmemfs {

/// Not thread-safe.
class Nvml {
public:
    /// The library that goes with the driver of a mount (user.gmemfs.driver). ENOENT: it isn't there. ENOSYS: it lacks
    /// a function. EIO: it can't be initialised.
    static Result<std::unique_ptr<Nvml>> open(const std::string &driver);
    ~Nvml() { (void)shutdown_(); }
    Nvml(const Nvml &) = delete;
    Nvml &operator=(const Nvml &) = delete;

    struct Charge {
        std::uint64_t bytes = 0;          ///< on all devices together
        std::vector<std::string> devices; ///< UUIDs of those that the process uses
    };
    /// Empty: no device lists the process, or the library doesn't tell how much it has.
    std::optional<Charge> charge(pid_t pid) const;

private:
    Nvml() = default;
    decltype(&::nvmlInit_v2) init_ = nullptr;
    decltype(&::nvmlShutdown) shutdown_ = nullptr;
    decltype(&::nvmlDeviceGetCount_v2) count_ = nullptr;
    decltype(&::nvmlDeviceGetHandleByIndex_v2) device_ = nullptr;
    decltype(&::nvmlDeviceGetUUID) uuid_ = nullptr;
    decltype(&::nvmlDeviceGetComputeRunningProcesses_v3) processes_ = nullptr;
};

} // namespace gmemfs
