#include "tools/pool/nvml.hpp"

#include <array>
#include <dlfcn.h>

namespace gmemfs {
namespace {

constexpr char kName[] = "libnvidia-ml.so.1";
constexpr unsigned kRoomFirst = 64;

// Beside a driver that is named by its path: the simulator's is told nothing by a card's.
std::string beside(const std::string &driver) {
    const std::size_t slash = driver.rfind('/');
    return slash == std::string::npos ? kName : driver.substr(0, slash + 1) + kName;
}

// Each time with room for as many as there were the last time, because more may have come.
std::vector<nvmlProcessInfo_t> list(
    decltype(&::nvmlDeviceGetComputeRunningProcesses_v3) ask, nvmlDevice_t device, nvmlReturn_t &result) {
    std::vector<nvmlProcessInfo_t> all(kRoomFirst);
    do {
        auto count = static_cast<unsigned>(all.size());
        result = ask(device, &count, all.data());
        const bool has_more = result == GMEMFS_NVML_INSUFFICIENT_SIZE;
        all.resize(has_more ? std::size_t(count) * 2 : count);
    } while (result == GMEMFS_NVML_INSUFFICIENT_SIZE);
    return all;
}

} // namespace

Result<std::unique_ptr<Nvml>> Nvml::open(const std::string &driver) {
    const std::string path = beside(driver);
    void *const library = ::dlopen(path.c_str(), RTLD_NOW | RTLD_LOCAL);
    if (library == nullptr) return Error{ENOENT, 0, "open NVML", path + ": it isn't there"};
    std::unique_ptr<Nvml> made(new Nvml);
    const auto find = [library]<typename Function>(Function &function, const char *name) {
        function = reinterpret_cast<Function>(::dlsym(library, name));
        return function != nullptr;
    };
    const bool has_all =
        find(made->shutdown_, "nvmlShutdown") && find(made->init_, "nvmlInit_v2") &&
        find(made->count_, "nvmlDeviceGetCount_v2") && find(made->device_, "nvmlDeviceGetHandleByIndex_v2") &&
        find(made->uuid_, "nvmlDeviceGetUUID") && find(made->processes_, "nvmlDeviceGetComputeRunningProcesses_v3");
    const nvmlReturn_t begun = has_all ? made->init_() : GMEMFS_NVML_UNINITIALIZED;
    if (begun == GMEMFS_NVML_SUCCESS) return made;
    if (made->shutdown_ == nullptr) made->shutdown_ = [] { return GMEMFS_NVML_SUCCESS; };
    if (!has_all) return Error{ENOSYS, 0, "open NVML", path + ": it is too old"};
    return Error{EIO, 0, "open NVML", path + ": it says " + std::to_string(begun)};
}

std::optional<Nvml::Charge> Nvml::charge(pid_t pid) const {
    unsigned count = 0;
    if (count_(&count) != GMEMFS_NVML_SUCCESS) return std::nullopt;
    Charge charged;
    for (unsigned index = 0; index < count; ++index) {
        nvmlDevice_t device = nullptr;
        std::array<char, 96> uuid = {};
        nvmlReturn_t result = device_(index, &device);
        if (result == GMEMFS_NVML_SUCCESS) result = uuid_(device, uuid.data(), uuid.size());
        std::vector<nvmlProcessInfo_t> all;
        if (result == GMEMFS_NVML_SUCCESS) all = list(processes_, device, result);
        if (result != GMEMFS_NVML_SUCCESS) return std::nullopt;
        for (const nvmlProcessInfo_t &process : all) {
            if (process.pid != static_cast<unsigned>(pid)) continue;
            if (process.usedGpuMemory == GMEMFS_NVML_UNKNOWN) return std::nullopt;
            charged.bytes += process.usedGpuMemory;
            charged.devices.emplace_back(uuid.data());
        }
    }
    return charged.devices.empty() ? std::nullopt : std::optional(charged);
}

} // namespace gmemfs
