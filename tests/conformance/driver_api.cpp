#include "tests/conformance/driver_api.hpp"

#include <cstdio>
#include <dlfcn.h>

namespace gmemfs::conformance {
namespace {

DriverApi &loaded() {
    static auto *const only = new DriverApi; // never destroyed: the driver's threads outlive main
    return *only;
}

} // namespace

const DriverApi &driver() { return loaded(); }

bool load_driver(const std::string &library) {
    void *const handle = ::dlopen(library.c_str(), RTLD_NOW | RTLD_LOCAL);
    if (handle == nullptr) {
        std::fprintf(stderr, "conformance-tests: %s\n", ::dlerror());
        return false;
    }
    DriverApi &api = loaded();
    api.library = library;
    api.get_proc_address = reinterpret_cast<decltype(api.get_proc_address)>(::dlsym(handle, "cuGetProcAddress_v2"));
    if (api.get_proc_address == nullptr) {
        std::fprintf(stderr, "conformance-tests: %s lacks cuGetProcAddress_v2\n", library.c_str());
        return false;
    }
    const auto find = [&](const char *name, int version) {
        void *function = nullptr;
        api.get_proc_address(name, &function, version, CU_GET_PROC_ADDRESS_DEFAULT, nullptr);
        return function;
    };
// Each by itself: a macro that called another would pass on cuMemcpyDtoH_v2, which <cuda.h> makes of cuMemcpyDtoH.
#define REQUIRED(name, version) api.name = reinterpret_cast<decltype(api.name)>(find(#name, version));
#define OPTIONAL(name, version) api.name = reinterpret_cast<decltype(api.name)>(find(#name, version));
#define ALSO(name, version) api.name = reinterpret_cast<decltype(api.name)>(find(#name, version));
#include "tests/conformance/more_entries.def"
#include "vmm/device/driver_entries.def"
#undef REQUIRED
#undef OPTIONAL
#undef ALSO
    api.copy_batch = reinterpret_cast<gmemfs_copy_batch>(find(GMEMFS_COPY_BATCH, GMEMFS_COPY_BATCH_SINCE));
    api.set_faults = reinterpret_cast<decltype(api.set_faults)>(::dlsym(handle, "gmemfs_sim_set_faults"));
    api.call_count = reinterpret_cast<decltype(api.call_count)>(::dlsym(handle, "gmemfs_sim_call_count"));
    api.offer_host_kernel = reinterpret_cast<gmemfs_offer_host_kernel>(::dlsym(handle, GMEMFS_OFFER_HOST_KERNEL));
    if (api.cuDriverGetVersion == nullptr) // an old driver: what dlsym finds is all that is left
        api.cuDriverGetVersion =
            reinterpret_cast<decltype(api.cuDriverGetVersion)>(::dlsym(handle, "cuDriverGetVersion"));
    if (api.cuInit == nullptr) api.cuInit = reinterpret_cast<decltype(api.cuInit)>(::dlsym(handle, "cuInit"));
    return true;
}

std::string name_of(CUresult result) {
    const char *name = nullptr;
    const bool is_known =
        driver().cuGetErrorName != nullptr && driver().cuGetErrorName(result, &name) == CUDA_SUCCESS && name != nullptr;
    return std::string(is_known ? name : "unnamed result") + " (" + std::to_string(int(result)) + ")";
}

} // namespace gmemfs::conformance

void PrintTo(CUresult result, std::ostream *stream) { *stream << gmemfs::conformance::name_of(result); }
