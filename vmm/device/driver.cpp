#include "vmm/device/driver.hpp"

#include <dlfcn.h>

namespace gmemfs {
namespace {

// cuGetProcAddress_v2, and with it the search by version that this file relies on, came with CUDA 12.0.
constexpr int kOldestVersion = 12000;

std::string version_text(int version) {
    return std::to_string(version / 1000) + "." + std::to_string(version % 1000 / 10);
}

Error too_old(int version, const std::string &lacking) {
    return Error{ENOSYS, 0, "driver too old",
        "it speaks CUDA " + version_text(version) + (lacking.empty() ? "" : " and lacks " + lacking) +
            "; gmemfs needs " + version_text(kOldestVersion) + " or newer: update the NVIDIA driver"};
}

} // namespace

Result<std::unique_ptr<Driver>> Driver::open(const std::string &library_name) {
    // Never closed: the driver starts threads of its own.
    void *handle = ::dlopen(library_name.c_str(), RTLD_NOW | RTLD_LOCAL);
    if (handle == nullptr) return Error{ENOENT, 0, "open driver", ::dlerror()};
    auto driver = std::make_unique<Driver>();
    driver->library = library_name;
    TRY(driver->load(handle));
    TRY(driver->check(driver->cuInit(0), "initialise driver"));
    return driver;
}

Result<void> Driver::load(void *handle) {
    const auto get_version = reinterpret_cast<decltype(&::cuDriverGetVersion)>(::dlsym(handle, "cuDriverGetVersion"));
    if (get_version == nullptr || get_version(&version) != CUDA_SUCCESS)
        return Error{ENOSYS, 0, "open driver", library + ": no CUDA driver, it lacks cuDriverGetVersion"};
    get_proc_address_ = reinterpret_cast<decltype(&::cuGetProcAddress)>(::dlsym(handle, "cuGetProcAddress_v2"));
    if (get_proc_address_ == nullptr || version < kOldestVersion) return too_old(version, "");
#define REQUIRED(name, since)                                                                                          \
    name = reinterpret_cast<decltype(name)>(find(#name, since));                                                       \
    if (name == nullptr) return too_old(version, #name);
#define OPTIONAL(name, since) name = reinterpret_cast<decltype(name)>(find(#name, since));
#include "vmm/device/driver_entries.def"
#undef REQUIRED
#undef OPTIONAL
    offer_host_kernel = reinterpret_cast<gmemfs_offer_host_kernel>(::dlsym(handle, GMEMFS_OFFER_HOST_KERNEL));
    return {};
}

void *Driver::find(const char *name, int version_wanted) const {
    void *function = nullptr;
    const CUresult result = get_proc_address_(name, &function, version_wanted, CU_GET_PROC_ADDRESS_DEFAULT, nullptr);
    return result == CUDA_SUCCESS ? function : nullptr;
}

Error Driver::failure(CUresult result, const char *doing, std::initializer_list<Errno> here) const {
    const char *name = nullptr;
    const char *words = nullptr;
    std::string detail;
    if (cuGetErrorName != nullptr && cuGetErrorName(result, &name) == CUDA_SUCCESS) detail = name;
    if (cuGetErrorString != nullptr && cuGetErrorString(result, &words) == CUDA_SUCCESS)
        detail += detail.empty() ? words : std::string(", ") + words;
    int code = driver_errno(result).code;
    for (const Errno &known : here)
        if (known.result == result) code = known.code;
    return Error{code, result, doing, std::move(detail)};
}

} // namespace gmemfs
