#include "tools/copy/devices.hpp"

#include "tools/host/mounts.hpp"

#include <nlohmann/json.hpp>

#include <cstdlib>
#include <future>
#include <sys/stat.h>

namespace gmemfs {

CopyDevices::Mount CopyDevices::find_mount(const std::string &path) {
    const Result<gmemfs::Mount> mount = find_mount_of(path);
    if (!mount) return {};
    const Result<nlohmann::json> stats = read_stats(mount->path);
    if (!stats) return {};
    if (stats->value("simulated", false)) // a machine of the mount's own, unless the environment names another one
        ::setenv("GMEMFS_SIM_MACHINE", ("mount-" + std::to_string(stats->value("server_pid", 0))).c_str(), 0);
    return {stats->value("driver", nlohmann::json::object()).value("library", std::string()),
        stats->value("devices", nlohmann::json::array()).size()};
}

CopyDevices::Mount CopyDevices::mount_of(const std::string &path) {
    struct stat status = {};
    if (::stat(path.c_str(), &status) != 0) return {};
    const Hold hold(mutex_);
    const auto [known, is_new] = mounts_.try_emplace(status.st_dev);
    if (is_new) known->second = find_mount(path);
    return known->second;
}

Result<CopyDevices::Library *> CopyDevices::library_of(const std::string &name) {
    Library &library = libraries_[name];
    if (!library.driver) library.driver = TRY(Driver::open(name));
    return &library;
}

Result<int> CopyDevices::ordinal_of(const std::string &library, const std::string &uuid) {
    const Hold hold(mutex_);
    Library *const opened = TRY(library_of(library));
    if (opened->ordinals.empty())
        for (const DeviceInfo &info : TRY(query_devices(*opened->driver)))
            opened->ordinals[info.uuid_text()] = info.ordinal;
    const auto found = opened->ordinals.find(uuid);
    if (found != opened->ordinals.end()) return found->second;
    return Error{ENODEV, 0, "find device", uuid + ": mind CUDA_VISIBLE_DEVICES"};
}

Result<Device *> CopyDevices::open_one(const std::string &library, int ordinal) {
    const Driver *driver = nullptr;
    Opened *opened = nullptr;
    {
        const Hold hold(mutex_);
        driver = TRY(library_of(library))
        ->driver.get();
        opened = &devices_[{library, ordinal}];
    }
    const Hold hold(opened->mutex);
    if (!opened->device) {
        const DeviceInfo info = TRY(DeviceInfo::query(*driver, ordinal));
        opened->device = TRY(Device::open(*driver, info));
    }
    return opened->device.get();
}

Result<std::vector<Device *>> CopyDevices::open(const std::string &library, std::span<const int> ordinals) {
    std::vector<std::future<Result<Device *>>> others;
    for (std::size_t index = 1; index < ordinals.size(); ++index)
        others.push_back(
            std::async(std::launch::async, [&, ordinal = ordinals[index]] { return open_one(library, ordinal); }));
    std::vector<Device *> devices;
    if (!ordinals.empty()) devices.push_back(TRY(open_one(library, ordinals.front()))); // a future's end waits for it
    for (std::future<Result<Device *>> &other : others) devices.push_back(TRY(other.get()));
    return devices;
}

} // namespace gmemfs
