// Memory info: NVML in a process with --limit: a device has as much memory as cuMemGetInfo says, and no more.
//
// Programs that ask NVML how much they may take would take too much else, where CUDA tells them less. It stands in
// NVML's place as the pool's library does in the driver's (docs/pool.md): every other function is NVML's own.
#include "pool/memory/names.hpp"
#include "pool/nvml/pool_memory.h"
#include "vmm/device/nvml.h"

#include <algorithm>
#include <array>
#include <cstdint>
#include <cstdlib>
#include <cstring>
#include <dlfcn.h>

namespace {

using namespace gmemfs::pool;

// NVML's own; null: it lacks it, or was shut out.
template <typename Function>
Function *find(const char *name) {
    static void *const library = [] {
        const char *const path = std::getenv(kNvmlVariable); // NOLINT(concurrency-mt-unsafe): read only
        return path == nullptr ? nullptr : ::dlopen(path, RTLD_NOW | RTLD_LOCAL);
    }();
    return library == nullptr ? nullptr : reinterpret_cast<Function *>(::dlsym(library, name));
}

// "GPU-12345678-...": the 16 bytes that the driver knows a device by. False: it is none of a whole device.
bool parse(const char *text, std::array<unsigned char, 16> &uuid) {
    if (std::strncmp(text, "GPU-", 4) != 0) return false;
    std::size_t digits = 0;
    for (text += 4; *text != '\0'; ++text) {
        if (*text == '-') continue;
        const char *const all = "0123456789abcdef";
        const char *const found = std::strchr(all, *text);
        if (found == nullptr || digits == 2 * uuid.size()) return false;
        const auto value = static_cast<unsigned char>(found - all);
        unsigned char &byte = uuid[digits / 2];
        byte = static_cast<unsigned char>(digits % 2 == 0 ? value << 4 : byte | value);
        ++digits;
    }
    return digits == 2 * uuid.size();
}

// A process that hasn't come to CUDA yet has nothing of its limit.
gmemfs_pool_memory bound(nvmlDevice_t device, gmemfs_pool_memory there) {
    std::array<char, 96> text = {};
    std::array<unsigned char, 16> uuid = {};
    auto *const get_uuid = find<decltype(::nvmlDeviceGetUUID)>("nvmlDeviceGetUUID");
    if (get_uuid == nullptr || get_uuid(device, text.data(), text.size()) != GMEMFS_NVML_SUCCESS ||
        !parse(text.data(), uuid))
        return there;
    void *const pool = ::dlopen("libcuda.so.1", RTLD_NOW | RTLD_NOLOAD | RTLD_LOCAL); // where this process has one
    const auto ask = pool == nullptr ? nullptr
                                     : reinterpret_cast<decltype(&gmemfs_pool_bound_memory)>(
                                           ::dlsym(pool, "gmemfs_pool_bound_memory"));
    if (ask != nullptr) {
        ask(uuid.data(), &there);
    } else if (const char *const text_of_limit = std::getenv(kLimitVariable)) { // NOLINT(concurrency-mt-unsafe)
        const unsigned long long limit = std::strtoull(text_of_limit, nullptr, 10);
        there.free = std::min(there.free, limit);
        there.total = std::min(there.total, limit);
    }
    if (pool != nullptr) ::dlclose(pool);
    return there;
}

} // namespace

extern "C" {

__attribute__((visibility("default"))) nvmlReturn_t nvmlDeviceGetMemoryInfo(nvmlDevice_t device, nvmlMemory_t *memory) {
    auto *const ask = find<decltype(::nvmlDeviceGetMemoryInfo)>("nvmlDeviceGetMemoryInfo");
    if (ask == nullptr) return GMEMFS_NVML_UNINITIALIZED;
    const nvmlReturn_t result = ask(device, memory);
    if (result != GMEMFS_NVML_SUCCESS) return result;
    const gmemfs_pool_memory told = bound(device, {memory->free, memory->total});
    *memory = {told.total, told.free, told.total - told.free};
    return result;
}

// What is reserved for the system is beyond a limit that is less than the device.
__attribute__((visibility("default"))) nvmlReturn_t nvmlDeviceGetMemoryInfo_v2(
    nvmlDevice_t device, nvmlMemory_v2_t *memory) {
    auto *const ask = find<decltype(::nvmlDeviceGetMemoryInfo_v2)>("nvmlDeviceGetMemoryInfo_v2");
    if (ask == nullptr) return GMEMFS_NVML_UNINITIALIZED;
    const nvmlReturn_t result = ask(device, memory);
    if (result != GMEMFS_NVML_SUCCESS) return result;
    const gmemfs_pool_memory told = bound(device, {memory->free, memory->total});
    if (told.total < memory->total) memory->reserved = 0;
    memory->total = told.total;
    memory->free = std::min(told.free, told.total - memory->reserved);
    memory->used = memory->total - memory->reserved - memory->free;
    return result;
}

} // extern "C"
