// DeviceRequest: the options --device and --simulate of commands that use a device without a mount.
#pragma once

#include "vmm/device/device.hpp"

#include <glib.h>
#include <nlohmann/json_fwd.hpp>

#include <cstdint>
#include <memory>
#include <optional>
#include <string>
#include <vector>

namespace gmemfs {

/// What the options of a command line ask for. The texts are GOption's until the request dies.
class DeviceRequest {
public:
    DeviceRequest() = default;
    DeviceRequest(const DeviceRequest &) = delete;
    DeviceRequest &operator=(const DeviceRequest &) = delete;
    ~DeviceRequest() { g_free(device_); }

    /// Call this before GOption reads the arguments. It takes BYTES of --simulate=BYTES or --simulate BYTES away,
    /// because GOption lets only callbacks have an optional value.
    void take_simulated_size(int &argc, char **argv);
    /// --device and --simulate, for parse_command_line().
    std::vector<GOptionEntry> options();
    /// EINVAL: an option's value makes no sense.
    Result<void> check();

    /// The driver or the simulator. ENOENT, ENODEV: there is none.
    Result<std::unique_ptr<Driver>> open_driver() const;
    /// ENODEV: there is no such device; the detail says which there are.
    Result<DeviceInfo> find(const Driver &driver) const;

private:
    gchar *device_ = nullptr; // ordinal or UUID; null: the first
    gboolean simulate_ = FALSE;
    std::optional<std::string> simulated_; // as it was given
    std::uint64_t simulated_size_ = 0;     // bytes; 0: what the simulator has
};

/// Ordinal, UUID and name, for commands that print what a device did.
nlohmann::json to_json(const DeviceInfo &info);

} // namespace gmemfs
