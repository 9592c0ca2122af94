// Entry, devices: start, devices, contexts, and the search for functions by name and version.
#include "vmm/sim/entry.hpp"
#include "vmm/sim/stream.hpp"

#include <algorithm>
#include <cerrno>
#include <cstdio>
#include <cstring>
#include <vector>

using namespace gmemfs::sim;

namespace gmemfs::sim {

CUresult enter(const char *function) {
    if (process() == nullptr) return CUDA_ERROR_NOT_INITIALIZED;
    const CUresult fault = planned_fault(function);
    if (is_sticky(fault) && current_context() != nullptr) current_context()->failed.store(fault);
    return fault;
}

CUresult enter_with_context(const char *function) {
    if (const CUresult refused = enter(function); refused != CUDA_SUCCESS) return refused;
    if (current_context() == nullptr) return CUDA_ERROR_INVALID_CONTEXT;
    return static_cast<CUresult>(current_context()->failed.load());
}

CUresult leave_wait(const char *function) {
    const CUresult fault = planned_fault(function);
    if (is_sticky(fault) && current_context() != nullptr) current_context()->failed.store(fault);
    return fault;
}

namespace {

thread_local std::vector<Context *> pushed; // beneath the current one

bool is_device(CUdevice device) {
    return device >= 0 && static_cast<std::size_t>(device) < process()->device_sizes.size();
}

Context *primary(CUdevice device) {
    Process &mine = *process();
    const std::lock_guard<std::mutex> hold(mine.mutex);
    auto &context = mine.primary[static_cast<std::size_t>(device)];
    if (!context) {
        context = std::make_unique<Context>();
        context->device = static_cast<std::uint32_t>(device);
    }
    return context.get();
}

int attribute_of(CUdevice_attribute attribute) {
    switch (attribute) {
    case CU_DEVICE_ATTRIBUTE_COMPUTE_CAPABILITY_MAJOR: return 9; // an H200's
    case CU_DEVICE_ATTRIBUTE_COMPUTE_CAPABILITY_MINOR: return 0;
    case CU_DEVICE_ATTRIBUTE_MULTIPROCESSOR_COUNT: return 132;
    case CU_DEVICE_ATTRIBUTE_MAX_THREADS_PER_BLOCK: return 1024;
    case CU_DEVICE_ATTRIBUTE_WARP_SIZE: return 32;
    case CU_DEVICE_ATTRIBUTE_UNIFIED_ADDRESSING:
    case CU_DEVICE_ATTRIBUTE_VIRTUAL_MEMORY_MANAGEMENT_SUPPORTED:
    case CU_DEVICE_ATTRIBUTE_HANDLE_TYPE_POSIX_FILE_DESCRIPTOR_SUPPORTED:
    case CU_DEVICE_ATTRIBUTE_HANDLE_TYPE_FABRIC_SUPPORTED: // also where creation refuses it, as on an H200
    case CU_DEVICE_ATTRIBUTE_GPU_DIRECT_RDMA_WITH_CUDA_VMM_SUPPORTED: return 1;
    default: return 0;
    }
}

struct Function {
    const char *name;
    int version;
    void *address;
};
const Function kFunctions[] = {
#define REQUIRED(name, since) {#name, since, reinterpret_cast<void *>(&::name)},
#define OPTIONAL(name, since) {#name, since, reinterpret_cast<void *>(&::name)},
#define PEER(name, since) {#name, since, reinterpret_cast<void *>(&::name)},
#include "vmm/driver_entries.def"
#include "vmm/sim/peer_entries.def"
#undef REQUIRED
#undef OPTIONAL
#undef PEER
};

int driver_version() {
    if (process() != nullptr) return process()->version;
    const char *const text = std::getenv("GMEMFS_SIM_DRIVER_VERSION");
    return text == nullptr ? 13000 : std::atoi(text);
}

} // namespace
} // namespace gmemfs::sim

extern "C" {

__attribute__((visibility("default"))) int gmemfs_sim_set_faults(const char *plan) {
    std::string why;
    if (set_plan(plan, why)) return 0;
    std::fprintf(stderr, "gmemfs simulator: %s\n", why.c_str());
    return EINVAL;
}

__attribute__((visibility("default"))) unsigned long gmemfs_sim_call_count() { return call_count(); }

CUresult cuInit(unsigned flags) {
    if (flags != 0) return CUDA_ERROR_INVALID_VALUE;
    if (const CUresult result = start_process(); result != CUDA_SUCCESS) return result;
    return planned_fault("cuInit");
}

CUresult cuDriverGetVersion(int *version) {
    GMEMFS_SIM_NOT_NULL(version);
    *version = driver_version();
    return CUDA_SUCCESS;
}

CUresult cuGetProcAddress(
    const char *name, void **function, int version, cuuint64_t, CUdriverProcAddressQueryResult *status) {
    if (name == nullptr || function == nullptr) return CUDA_ERROR_INVALID_VALUE;
    *function = nullptr;
    const int mine = driver_version();
    for (const Function &known : kFunctions) {
        // Version 12.0 brought this form of the search: an older driver has none of it.
        if (std::strcmp(known.name, name) != 0 || known.version > mine || mine < 12000) continue;
        if (version < known.version) {
            if (status != nullptr) *status = CU_GET_PROC_ADDRESS_VERSION_NOT_SUFFICIENT;
            return CUDA_ERROR_NOT_FOUND;
        }
        *function = known.address;
        if (status != nullptr) *status = CU_GET_PROC_ADDRESS_SUCCESS;
        return CUDA_SUCCESS;
    }
    if (status != nullptr) *status = CU_GET_PROC_ADDRESS_SYMBOL_NOT_FOUND;
    return CUDA_ERROR_NOT_FOUND;
}

CUresult cuDeviceGetCount(int *count) {
    GMEMFS_SIM_ENTER(cuDeviceGetCount);
    GMEMFS_SIM_NOT_NULL(count);
    *count = static_cast<int>(process()->device_sizes.size());
    return CUDA_SUCCESS;
}

CUresult cuDeviceGet(CUdevice *device, int ordinal) {
    GMEMFS_SIM_ENTER(cuDeviceGet);
    GMEMFS_SIM_NOT_NULL(device);
    if (!is_device(ordinal)) return CUDA_ERROR_INVALID_DEVICE;
    *device = ordinal;
    return CUDA_SUCCESS;
}

CUresult cuDeviceGetName(char *name, int size, CUdevice device) {
    GMEMFS_SIM_ENTER(cuDeviceGetName);
    if (name == nullptr || size <= 0) return CUDA_ERROR_INVALID_VALUE;
    if (!is_device(device)) return CUDA_ERROR_INVALID_DEVICE;
    std::snprintf(name, static_cast<std::size_t>(size), "gmemfs simulated device");
    return CUDA_SUCCESS;
}

CUresult cuDeviceGetUuid(CUuuid *uuid, CUdevice device) {
    GMEMFS_SIM_ENTER(cuDeviceGetUuid);
    GMEMFS_SIM_NOT_NULL(uuid);
    if (!is_device(device)) return CUDA_ERROR_INVALID_DEVICE;
    std::memset(uuid->bytes, 0, sizeof uuid->bytes);
    std::memcpy(uuid->bytes, "GMEMFS-SIM", 10);
    uuid->bytes[15] = static_cast<char>(device);
    return CUDA_SUCCESS;
}

CUresult cuDeviceGetPCIBusId(char *name, int size, CUdevice device) {
    GMEMFS_SIM_ENTER(cuDeviceGetPCIBusId);
    if (name == nullptr || size <= 0) return CUDA_ERROR_INVALID_VALUE;
    if (!is_device(device)) return CUDA_ERROR_INVALID_DEVICE;
    std::snprintf(name, static_cast<std::size_t>(size), "0000:%02x:00.0", 0xf0 + device);
    return CUDA_SUCCESS;
}

CUresult cuDeviceTotalMem(std::size_t *bytes, CUdevice device) {
    GMEMFS_SIM_ENTER(cuDeviceTotalMem);
    GMEMFS_SIM_NOT_NULL(bytes);
    if (!is_device(device)) return CUDA_ERROR_INVALID_DEVICE;
    *bytes = process()->device_sizes[static_cast<std::size_t>(device)];
    return CUDA_SUCCESS;
}

CUresult cuDeviceGetAttribute(int *value, CUdevice_attribute attribute, CUdevice device) {
    GMEMFS_SIM_ENTER(cuDeviceGetAttribute);
    GMEMFS_SIM_NOT_NULL(value);
    if (!is_device(device)) return CUDA_ERROR_INVALID_DEVICE;
    *value = attribute_of(attribute);
    return CUDA_SUCCESS;
}

CUresult cuDevicePrimaryCtxRetain(CUcontext *context, CUdevice device) {
    GMEMFS_SIM_ENTER(cuDevicePrimaryCtxRetain);
    GMEMFS_SIM_NOT_NULL(context);
    if (!is_device(device)) return CUDA_ERROR_INVALID_DEVICE;
    *context = reinterpret_cast<CUcontext>(primary(device));
    return CUDA_SUCCESS;
}

CUresult cuDevicePrimaryCtxRelease(CUdevice device) {
    GMEMFS_SIM_ENTER(cuDevicePrimaryCtxRelease);
    return is_device(device) ? CUDA_SUCCESS : CUDA_ERROR_INVALID_DEVICE; // kept until the process ends
}

CUresult cuDevicePrimaryCtxGetState(CUdevice device, unsigned *flags, int *active) {
    GMEMFS_SIM_ENTER(cuDevicePrimaryCtxGetState);
    if (!is_device(device)) return CUDA_ERROR_INVALID_DEVICE;
    const std::lock_guard<std::mutex> hold(process()->mutex);
    if (flags != nullptr) *flags = 0;
    if (active != nullptr) *active = process()->primary[static_cast<std::size_t>(device)] ? 1 : 0;
    return CUDA_SUCCESS;
}

CUresult cuCtxCreate(CUcontext *context, CUctxCreateParams *, unsigned, CUdevice device) {
    GMEMFS_SIM_ENTER(cuCtxCreate);
    GMEMFS_SIM_NOT_NULL(context);
    if (!is_device(device)) return CUDA_ERROR_INVALID_DEVICE;
    auto *const made = new Context; // lives until cuCtxDestroy, which nobody need call
    made->device = static_cast<std::uint32_t>(device);
    if (current_context() != nullptr) pushed.push_back(current_context());
    current_context() = made;
    *context = reinterpret_cast<CUcontext>(made);
    return CUDA_SUCCESS;
}

CUresult cuCtxDestroy(CUcontext context) {
    GMEMFS_SIM_ENTER(cuCtxDestroy);
    GMEMFS_SIM_NOT_NULL(context);
    auto *const mine = reinterpret_cast<Context *>(context);
    wait_for_all_streams(mine);
    if (current_context() == mine)
        current_context() = nullptr; // its streams' threads may still look at it: not deleted
    return CUDA_SUCCESS;
}

CUresult cuCtxSetCurrent(CUcontext context) {
    GMEMFS_SIM_ENTER(cuCtxSetCurrent);
    current_context() = reinterpret_cast<Context *>(context);
    return CUDA_SUCCESS;
}

CUresult cuCtxGetCurrent(CUcontext *context) {
    GMEMFS_SIM_ENTER(cuCtxGetCurrent);
    GMEMFS_SIM_NOT_NULL(context);
    *context = reinterpret_cast<CUcontext>(current_context());
    return CUDA_SUCCESS;
}

CUresult cuCtxPushCurrent(CUcontext context) {
    GMEMFS_SIM_ENTER(cuCtxPushCurrent);
    GMEMFS_SIM_NOT_NULL(context);
    pushed.push_back(current_context());
    current_context() = reinterpret_cast<Context *>(context);
    return CUDA_SUCCESS;
}

CUresult cuCtxPopCurrent(CUcontext *context) {
    GMEMFS_SIM_ENTER(cuCtxPopCurrent);
    if (current_context() == nullptr) return CUDA_ERROR_INVALID_CONTEXT;
    if (context != nullptr) *context = reinterpret_cast<CUcontext>(current_context());
    current_context() = pushed.empty() ? nullptr : pushed.back();
    if (!pushed.empty()) pushed.pop_back();
    return CUDA_SUCCESS;
}

CUresult cuCtxGetDevice(CUdevice *device) {
    GMEMFS_SIM_ENTER_WITH_CONTEXT(cuCtxGetDevice);
    GMEMFS_SIM_NOT_NULL(device);
    *device = static_cast<CUdevice>(current_context()->device);
    return CUDA_SUCCESS;
}

CUresult cuCtxSynchronize() {
    GMEMFS_SIM_ENTER_WITH_CONTEXT(cuCtxSynchronize);
    wait_for_all_streams(current_context());
    return static_cast<CUresult>(current_context()->failed.load());
}

} // extern "C"
