#include "tools/device/request.hpp"

#include "vmm/base/units.hpp"
#include "vmm/device/simulator_path.hpp"

#include <nlohmann/json.hpp>

#include <algorithm>
#include <cstdlib>
#include <string_view>
#include <unistd.h>

namespace gmemfs {

void DeviceRequest::take_simulated_size(int &argc, char **argv) {
    constexpr std::string_view kOption = "--simulate=";
    for (int index = 1; index < argc && std::string_view(argv[index]) != "--"; ++index) {
        const std::string_view word = argv[index];
        if (word == "--simulate" && index + 1 < argc && parse_size(argv[index + 1])) {
            simulated_ = argv[index + 1];
            std::copy(argv + index + 2, argv + argc + 1, argv + index + 1); // with the null pointer at the end
            --argc;
        } else if (word.starts_with(kOption)) {
            simulated_ = argv[index] + kOption.size();
            argv[index][kOption.size() - 1] = 0;
        }
    }
}

std::vector<GOptionEntry> DeviceRequest::options() {
    return {
        {"device", 0, 0, G_OPTION_ARG_STRING, &device_, "Which GPU, by number or UUID (0)", "N"},
        {"simulate", 0, 0, G_OPTION_ARG_NONE, &simulate_,
            "The simulator in place of a GPU; --simulate=BYTES: with a device of this size", nullptr},
    };
}

Result<void> DeviceRequest::check() {
    const std::string_view device = device_ == nullptr ? "0" : device_;
    if (device.empty() ||
        (!device.starts_with("GPU-") && device.find_first_not_of("0123456789") != std::string_view::npos))
        return Error{EINVAL, 0, "--device", std::string(device) + " is neither a number nor a UUID"};
    if (!simulated_) return {};
    simulated_size_ = TRY(parse_size(*simulated_));
    if (simulated_size_ < 2 * MiB) return Error{EINVAL, 0, "--simulate", "a device has at least 2 MiB"};
    return {};
}

Result<std::unique_ptr<Driver>> DeviceRequest::open_driver() const {
    if (simulate_ == FALSE) {
        Result<std::unique_ptr<Driver>> driver = Driver::open("libcuda.so.1");
        if (driver) return driver;
        Error error = driver.error();
        error.detail += "; `gmemfs doctor` tells why; without a GPU: --simulate";
        return error;
    }
    const std::string library = simulator_path();
    if (library.empty())
        return Error{ENOENT, 0, "find the simulator", "no libcuda.so.1 of gmemfs beside this program: run `make`"};
    // A machine of this process' own, unless the user names one.
    ::setenv("GMEMFS_SIM_MACHINE", ("command-" + std::to_string(::getpid())).c_str(), 0);
    if (simulated_size_ != 0) ::setenv("GMEMFS_SIM_DEVICES", std::to_string(simulated_size_).c_str(), 1);
    return Driver::open(library);
}

Result<DeviceInfo> DeviceRequest::find(const Driver &driver) const {
    const std::string name = device_ == nullptr ? "0" : device_;
    const std::vector<DeviceInfo> infos = TRY(query_devices(driver));
    std::string there;
    for (const DeviceInfo &info : infos) {
        if (name == std::to_string(info.ordinal) || name == info.uuid_text()) return info;
        there += (there.empty() ? "" : ", ") + std::to_string(info.ordinal);
    }
    return Error{ENODEV, 0, "find device",
        name + " isn't there; this machine has " +
            (there.empty() ? "none: `gmemfs doctor` tells why" : there + ": choose one by --device")};
}

nlohmann::json to_json(const DeviceInfo &info) {
    return {{"ordinal", info.ordinal}, {"uuid", info.uuid_text()}, {"name", info.name}};
}

} // namespace gmemfs
