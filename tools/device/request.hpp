// DeviceRequest: which device a command is to work on by itself, without a mount: --device and --simulate.
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

    /// Before GOption reads the arguments: it lets only callbacks leave a value out, so that of --simulate=BYTES, or
    /// --simulate BYTES, is taken away here.
    void take_simulated_size(int &argc, char **argv);
    /// --device and --simulate, for parse_command_line().
    std::vector<GOptionEntry> options();
    /// EINVAL: what they hold makes no sense.
    Result<void> check();

    /// The driver or the simulator. ENOENT, ENODEV: there is none.
    Result<std::unique_ptr<Driver>> open_driver() const;
    /// ENODEV: it isn't there; the detail says which are.
    Result<DeviceInfo> find(const Driver &driver) const;

private:
    gchar *device_ = nullptr; // ordinal or UUID; null: the first
    gboolean simulate_ = FALSE;
    std::optional<std::string> simulated_; // as it was given
    std::uint64_t simulated_size_ = 0;     // bytes; 0: what the simulator has
};

/// Ordinal, UUID and name, for whoever prints what a device did.
nlohmann::json to_json(const DeviceInfo &info);

} // namespace gmemfs
