#include "client/lib/devices.hpp"

#include "vmm/base/lock.hpp"

#include <cstdlib>
#include <map>

namespace gmemfs::client {
namespace {

struct Opened {
    Mutex mutex;
    std::map<std::string, std::shared_ptr<const Devices>> all GUARDED_BY(mutex); // by the library's name
};

} // namespace

Result<CUdevice> Devices::find(int ordinal) const {
    for (const DeviceInfo &device : all)
        if (device.ordinal == ordinal) return device.handle;
    return Error{ENODEV, 0, "find device", "this process has no device " + std::to_string(ordinal)};
}

std::string driver_library(const char *chosen) {
    if (chosen != nullptr) return chosen;
    const char *const variable = std::getenv("GMEMFS_DRIVER"); // NOLINT(concurrency-mt-unsafe): read only
    return variable != nullptr && variable[0] != '\0' ? variable : "libcuda.so.1";
}

Result<std::shared_ptr<const Devices>> open_devices(const std::string &library) {
    static auto *const opened = new Opened; // never destroyed: static objects and threads unmap when main has ended
    const Hold hold(opened->mutex);         // two at once would initialise the driver one after the other all the same
    if (const auto found = opened->all.find(library); found != opened->all.end()) return found->second;
    Devices devices;
    devices.driver = TRY(Driver::open(library));
    devices.all = TRY(query_devices(*devices.driver));
    return opened->all[library] = std::make_shared<const Devices>(std::move(devices));
}

} // namespace gmemfs::client
