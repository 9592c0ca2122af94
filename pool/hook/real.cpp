#include "pool/hook/real.hpp"

#include "pool/hook/settings.hpp"

#include <algorithm>
#include <dlfcn.h>
#include <string>
#include <utility>
#include <vector>

extern "C" {

CUresult cuMemAllocAsync_ptsz(CUdeviceptr *address, std::size_t size, CUstream stream);
CUresult cuMemAllocFromPoolAsync_ptsz(CUdeviceptr *address, std::size_t size, CUmemoryPool pool, CUstream stream);
CUresult cuMemFreeAsync_ptsz(CUdeviceptr address, CUstream stream);
CUresult get_proc_address_11030(const char *name, void **function, int version, cuuint64_t flags) __asm__(
    "cuGetProcAddress");
CUresult open_handle_4010(CUdeviceptr *address, CUipcMemHandle handle, unsigned flags) __asm__("cuIpcOpenMemHandle");

} // extern "C"

namespace gmemfs::pool {
namespace {

// The driver is loaded already: it is this library's dependency.
void *find(const char *symbol) {
    static void *const driver = ::dlopen(settings().driver.c_str(), RTLD_NOW | RTLD_LOCAL);
    return driver == nullptr ? nullptr : ::dlsym(driver, symbol);
}

Real look_up() {
    Real all;
#define HOOK(symbol, like, name, version) all.symbol = reinterpret_cast<decltype(all.symbol)>(find(#symbol));
#define PER_THREAD HOOK
#include "pool/hook/hooks.def"
#undef PER_THREAD
#undef HOOK
    all.get_proc_address_11030 = reinterpret_cast<GetProcAddress11030>(find("cuGetProcAddress"));
    all.get_proc_address_12000 = reinterpret_cast<decltype(all.get_proc_address_12000)>(find("cuGetProcAddress_v2"));
    all.open_handle_4010 = reinterpret_cast<decltype(all.open_handle_4010)>(find("cuIpcOpenMemHandle"));
    return all;
}

using Hooks = std::vector<std::pair<void *, void *>>; // by the driver's function

Hooks make_hooks() {
    Hooks hooks;
    const auto add = [&](const char *symbol, void *hook, const char *name, int version, cuuint64_t flags) {
        hooks.emplace_back(find(symbol), hook);
        void *told = nullptr; // another address would go past the hook
        if (real().get_proc_address_12000 != nullptr &&
            real().get_proc_address_12000(name, &told, version, flags, nullptr) == CUDA_SUCCESS && told != nullptr)
            hooks.emplace_back(told, hook);
    };
#define HOOK(symbol, like, name, version)                                                                              \
    add(#symbol, reinterpret_cast<void *>(&::symbol), name, version, CU_GET_PROC_ADDRESS_LEGACY_STREAM);
#define PER_THREAD(symbol, like, name, version)                                                                        \
    add(#symbol, reinterpret_cast<void *>(&::symbol), name, version, CU_GET_PROC_ADDRESS_PER_THREAD_DEFAULT_STREAM);
#include "pool/hook/hooks.def"
#undef PER_THREAD
#undef HOOK
    add("cuGetProcAddress", reinterpret_cast<void *>(&::get_proc_address_11030), "cuGetProcAddress", 11030, 0);
    add("cuGetProcAddress_v2", reinterpret_cast<void *>(&::cuGetProcAddress_v2), "cuGetProcAddress", 12000, 0);
    add("cuIpcOpenMemHandle", reinterpret_cast<void *>(&::open_handle_4010), "cuIpcOpenMemHandle", 4010, 0);
    std::sort(hooks.begin(), hooks.end());
    return hooks;
}

} // namespace

const Real &real() {
    static const Real all = look_up();
    return all;
}

// By address, because that is what the driver has chosen: for this version, and for this kind of stream.
void *hook_of(void *function) {
    static const Hooks &hooks = *new Hooks(make_hooks()); // never destroyed: programs look up while they end
    const auto found = std::lower_bound(hooks.begin(), hooks.end(), std::pair<void *, void *>(function, nullptr));
    return function != nullptr && found != hooks.end() && found->first == function ? found->second : function;
}

} // namespace gmemfs::pool
