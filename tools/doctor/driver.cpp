// DoctorChecks, driver: the driver, its devices and the IMEX channel.
#include "tools/doctor/checks.hpp"

#include "ecc/nvcomp/nvcomp.hpp"
#include "ecc/nvcomp/places.hpp"
#include "vmm/base/units.hpp"
#include "vmm/memory/allocation.hpp"

#include <fcntl.h>
#include <fstream>
#include <sstream>
#include <sys/stat.h>
#include <sys/sysmacros.h>
#include <unistd.h>
#include <vector>

namespace gmemfs {
namespace {

constexpr const char *kChannelFolder = "/dev/nvidia-caps-imex-channels";
constexpr const char *kChannel = "/dev/nvidia-caps-imex-channels/channel0";
constexpr const char *kChannelMajorName = "nvidia-caps-imex-channels";

std::string version_text(int version) {
    return std::to_string(version / 1000) + "." + std::to_string(version % 1000 / 10);
}

Check explain_no_driver(const std::string &library, const Error &error) {
    std::string fix = "install the NVIDIA driver for this machine's GPU, or try `gmemfs mount --simulate`";
    if (error.code == ENODEV) fix = "is a GPU there (nvidia-smi)? In a container: run it with --gpus all";
    if (error.code == ENOSYS) fix = "update the NVIDIA driver (CUDA 12.0 or newer; 12.3 for fabric handles)";
    return {"driver", Verdict::fail, error.detail.empty() ? library + ": " + error.text() : error.detail, fix};
}

Check check_descriptors(const Driver &driver, const DeviceInfo &device) {
    const std::string name = "descriptors, device " + std::to_string(device.ordinal);
    const auto memory = Allocation::create(driver, device, device.granularity, HandlePolicy::fd);
    if (!memory) return {name, Verdict::fail, memory.error().text(), "gmemfs can't create memory on this device"};
    const auto fd = memory->export_fd();
    if (!fd) return {name, Verdict::warn, fd.error().text(), "peers of the broker can't map memory of this device"};
    return {name, Verdict::ok, "created and exported " + format_size(device.granularity), ""};
}

Check check_fabric(const Driver &driver, const DeviceInfo &device) {
    const std::string name = "fabric handles, device " + std::to_string(device.ordinal);
    const std::string fix = "user.fabric_handle will give ENOTSUP; see `IMEX channel`";
    const auto memory = Allocation::create(driver, device, device.granularity, HandlePolicy::fabric);
    if (!memory) return {name, Verdict::warn, memory.error().text(), fix};
    const auto handle = memory->export_fabric();
    if (!handle) return {name, Verdict::warn, handle.error().text(), fix};
    return {name, Verdict::ok,
        "created and exported. A fabric handle is no secret: whoever may open the IMEX channel device can guess one",
        "where users must not reach each other's memory: mount with --handles=fd"};
}

void check_device(Checks &checks, const Driver &driver, const DeviceInfo &device) {
    checks.push_back({"device " + std::to_string(device.ordinal), Verdict::ok,
        device.name + ", " + device.uuid_text() + ", " + format_size(device.total) + ", compute capability " +
            std::to_string(device.compute_major) + "." + std::to_string(device.compute_minor) + ", granularity " +
            format_size(device.granularity),
        ""});
    checks.push_back(check_descriptors(driver, device));
    checks.push_back(check_fabric(driver, device));
}

// Which of the others each device reaches: "0: 1 2 3; 1: 0 2 3; ..."
Check check_links(const Driver &driver, const std::vector<DeviceInfo> &devices) {
    std::string matrix;
    std::size_t missing = 0;
    for (const DeviceInfo &from : devices) {
        matrix += (matrix.empty() ? "" : "; ") + std::to_string(from.ordinal) + ":";
        std::size_t reached = 0;
        for (const DeviceInfo &to : devices) {
            int can = 0;
            if (&from == &to || driver.cuDeviceCanAccessPeer(&can, from.handle, to.handle) != CUDA_SUCCESS || can == 0)
                continue;
            matrix += " " + std::to_string(to.ordinal);
            ++reached;
        }
        if (reached == 0) matrix += " none";
        missing += devices.size() - 1 - reached;
    }
    const std::string name = "links of devices";
    if (missing == 0) return {name, Verdict::ok, "each reaches each other one's memory", ""};
    return {name, Verdict::warn, "which other devices' memory each reaches: " + matrix,
        "copies between the others go through the host, and peers can't map a file of one on the other. nvidia-smi "
        "topo -p2p r tells what stands between them"};
}

// The number before `name` in /proc/devices; 0 where it isn't listed.
unsigned find_major(const std::string &name) {
    std::ifstream devices("/proc/devices");
    for (std::string line; std::getline(devices, line);) {
        std::istringstream words(line);
        unsigned major = 0;
        std::string listed;
        if (words >> major >> listed && listed == name) return major;
    }
    return 0;
}

std::string make_channel_command(unsigned major) {
    return std::string("as root: nvidia-modprobe -c 0; or: mkdir -p ") + kChannelFolder + " && mknod -m 666 " +
           kChannel + " c " + std::to_string(major) + " 0";
}

} // namespace

Checks check_driver(const std::string &library) {
    const auto driver = Driver::open(library);
    if (!driver) return {explain_no_driver(library, driver.error())};
    const bool simulated = (*driver)->offer_host_kernel != nullptr;
    Checks checks = {{"driver", Verdict::ok,
        library + ": CUDA " + version_text((*driver)->version) + (simulated ? ", simulated" : ""), ""}};
    int count = 0;
    (*driver)->cuDeviceGetCount(&count);
    std::vector<DeviceInfo> usable;
    for (int ordinal = 0; ordinal < count; ++ordinal) {
        const Result<DeviceInfo> device = DeviceInfo::query(**driver, ordinal);
        if (device) {
            check_device(checks, **driver, *device);
            usable.push_back(*device);
        } else {
            checks.push_back({"device " + std::to_string(ordinal), Verdict::warn, device.error().text(),
                "gmemfs leaves it out: it needs a GPU with virtual memory management"});
        }
    }
    if (usable.size() > 1) checks.push_back(check_links(**driver, usable));
    if (usable.empty())
        checks.push_back({"devices", Verdict::fail, "no GPU with virtual memory management",
            "check CUDA_VISIBLE_DEVICES and nvidia-smi, or try `gmemfs mount --simulate`"});
    return checks;
}

Check check_nvcomp() {
    const Result<std::string> found = find_nvcomp(nvcomp_places());
    if (found) return {"nvCOMP", Verdict::ok, *found, ""};
    return {"nvCOMP", Verdict::warn, "batches of pages are packed by processors alone: " + found.error().detail,
        kNvcompCommand};
}

Checks check_imex_channel() {
    const std::string name = "IMEX channel";
    const unsigned major = find_major(kChannelMajorName);
    if (major == 0)
        return {{name, Verdict::warn, "the kernel knows no nvidia-caps-imex-channels (/proc/devices)",
            "no fabric handles here; peers get descriptors: mount with --handles=fd"}};
    struct stat status = {};
    if (::stat(kChannel, &status) != 0)
        return {{name, Verdict::warn, std::string(kChannel) + " is missing", make_channel_command(major)}};
    if (!S_ISCHR(status.st_mode) || ::major(status.st_rdev) != major)
        return {{name, Verdict::warn, std::string(kChannel) + " is not the driver's device",
            std::string("as root: rm ") + kChannel + "; then " + make_channel_command(major)}};
    if (::access(kChannel, R_OK | W_OK) != 0)
        return {{name, Verdict::warn, std::string(kChannel) + " may not be opened by this user",
            std::string("as root, for whoever may share memory: setfacl -m u:USER:rw ") + kChannel}};
    return {{name, Verdict::ok, kChannel, ""}};
}

} // namespace gmemfs
