// Entry, devices: devices and contexts.
#include "vmm/sim/capture.hpp"
#include "vmm/sim/entry.hpp"
#include "vmm/sim/streams.hpp"

#include <climits>
#include <cstdio>
#include <cstdlib>
#include <cstring>
#include <vector>

using namespace gmemfs::sim;

namespace gmemfs::sim {

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

// -1 for no context.
int device_of(CUcontext context) {
    return context == nullptr ? -1 : static_cast<int>(reinterpret_cast<const Context *>(context)->device);
}

// The driver corrupts the process' heap where a context is made current that has been destroyed (H200): no less here.
void stop_where_destroyed(CUcontext context) {
    const auto *const wanted = reinterpret_cast<const Context *>(context);
    if (wanted == nullptr || wanted->retain_count.load() != 0 || wanted == primary(CUdevice(wanted->device))) return;
    std::fprintf(stderr, "BUG: a context that has been destroyed is made current\n");
    std::abort();
}

// Null: the device has no such limit.
std::atomic<std::size_t> *limit_of(Context &context, CUlimit limit) {
    switch (limit) {
    case CU_LIMIT_STACK_SIZE: return &context.stack;
    case CU_LIMIT_PRINTF_FIFO_SIZE: return &context.printf_ring;
    case CU_LIMIT_MALLOC_HEAP_SIZE: return &context.heap;
    default: return nullptr;
    }
}

// <cuda.h> has their names from 12.9 and 12.8 on: CU_DEVICE_ATTRIBUTE_HOST_NUMA_VIRTUAL_MEMORY_MANAGEMENT_SUPPORTED,
// CU_DEVICE_ATTRIBUTE_HOST_NUMA_MULTINODE_IPC_SUPPORTED.
constexpr int kHostNumaMemory = 141;
constexpr int kHostNumaMultinode = 143;

// The version whose driver is the first to know an attribute.
int first_version(int attribute) {
    switch (attribute) {
    case CU_DEVICE_ATTRIBUTE_HANDLE_TYPE_FABRIC_SUPPORTED: return kFabricVersion;
    case CU_DEVICE_ATTRIBUTE_HOST_NUMA_ID: return kHostNumaVersion;
    case kHostNumaMemory: return 12090;
    case kHostNumaMultinode: return 12080;
    default: return attribute > 0 && attribute < CU_DEVICE_ATTRIBUTE_MAX ? 0 : INT_MAX;
    }
}

int attribute_of(CUdevice device, int attribute) {
    switch (attribute) {
    case CU_DEVICE_ATTRIBUTE_COMPUTE_CAPABILITY_MAJOR: return 9; // an H200's
    case CU_DEVICE_ATTRIBUTE_COMPUTE_CAPABILITY_MINOR: return 0;
    case CU_DEVICE_ATTRIBUTE_MULTIPROCESSOR_COUNT: return 132;
    case CU_DEVICE_ATTRIBUTE_MAX_THREADS_PER_BLOCK: return 1024;
    case CU_DEVICE_ATTRIBUTE_WARP_SIZE: return 32;
    case CU_DEVICE_ATTRIBUTE_ASYNC_ENGINE_COUNT: return 3;
    case CU_DEVICE_ATTRIBUTE_UNIFIED_ADDRESSING:
    case CU_DEVICE_ATTRIBUTE_VIRTUAL_MEMORY_MANAGEMENT_SUPPORTED:
    case CU_DEVICE_ATTRIBUTE_HANDLE_TYPE_POSIX_FILE_DESCRIPTOR_SUPPORTED:
    case CU_DEVICE_ATTRIBUTE_HANDLE_TYPE_FABRIC_SUPPORTED: // also where creation refuses it, as on an H200
    case CU_DEVICE_ATTRIBUTE_GPU_DIRECT_RDMA_WITH_CUDA_VMM_SUPPORTED:
    case kHostNumaMemory: return 1;
    case CU_DEVICE_ATTRIBUTE_HOST_NUMA_ID: return process()->nodes.at(static_cast<std::size_t>(device));
    case kHostNumaMultinode: // 0, and fabric handles of host memory are made all the same (H200, driver 580)
    default: return 0;
    }
}

} // namespace
} // namespace gmemfs::sim

extern "C" {

CUresult cuDeviceGetCount(int *count) {
    GMEMFS_SIM_ENTER(cuDeviceGetCount);
    GMEMFS_SIM_NOT_NULL(count);
    *count = static_cast<int>(process()->device_sizes.size());
    return CUDA_SUCCESS;
}

CUresult cuDeviceGet(CUdevice *device, int ordinal) {
    GMEMFS_SIM_ENTER_FOR(cuDeviceGet, ordinal);
    GMEMFS_SIM_NOT_NULL(device);
    if (!is_device(ordinal)) return CUDA_ERROR_INVALID_DEVICE;
    *device = ordinal;
    return CUDA_SUCCESS;
}

CUresult cuDeviceGetName(char *name, int size, CUdevice device) {
    GMEMFS_SIM_ENTER_FOR(cuDeviceGetName, device);
    if (name == nullptr || size <= 0) return CUDA_ERROR_INVALID_VALUE;
    if (!is_device(device)) return CUDA_ERROR_INVALID_DEVICE;
    std::snprintf(name, static_cast<std::size_t>(size), "gmemfs simulated device");
    return CUDA_SUCCESS;
}

CUresult cuDeviceGetUuid(CUuuid *uuid, CUdevice device) {
    GMEMFS_SIM_ENTER_FOR(cuDeviceGetUuid, device);
    GMEMFS_SIM_NOT_NULL(uuid);
    if (!is_device(device)) return CUDA_ERROR_INVALID_DEVICE;
    std::memset(uuid->bytes, 0, sizeof uuid->bytes);
    std::memcpy(uuid->bytes, "GMEMFS-SIM", 10);
    uuid->bytes[15] = static_cast<char>(device);
    return CUDA_SUCCESS;
}

CUresult cuDeviceGetPCIBusId(char *name, int size, CUdevice device) {
    GMEMFS_SIM_ENTER_FOR(cuDeviceGetPCIBusId, device);
    if (name == nullptr || size <= 0) return CUDA_ERROR_INVALID_VALUE;
    if (!is_device(device)) return CUDA_ERROR_INVALID_DEVICE;
    std::snprintf(name, static_cast<std::size_t>(size), "0000:%02x:00.0", 0xf0 + device);
    return CUDA_SUCCESS;
}

CUresult cuDeviceTotalMem(std::size_t *bytes, CUdevice device) {
    GMEMFS_SIM_ENTER_FOR(cuDeviceTotalMem, device);
    GMEMFS_SIM_NOT_NULL(bytes);
    if (!is_device(device)) return CUDA_ERROR_INVALID_DEVICE;
    *bytes = process()->device_sizes[static_cast<std::size_t>(device)];
    return CUDA_SUCCESS;
}

CUresult cuDeviceGetAttribute(int *value, CUdevice_attribute attribute, CUdevice device) {
    GMEMFS_SIM_ENTER_FOR(cuDeviceGetAttribute, device);
    GMEMFS_SIM_NOT_NULL(value);
    if (!is_device(device)) return CUDA_ERROR_INVALID_DEVICE;
    if (process()->version < first_version(attribute)) return CUDA_ERROR_INVALID_VALUE;
    *value = attribute_of(device, attribute);
    return CUDA_SUCCESS;
}

CUresult cuDeviceCanAccessPeer(int *can, CUdevice device, CUdevice peer) {
    GMEMFS_SIM_ENTER_FOR(cuDeviceCanAccessPeer, device);
    GMEMFS_SIM_NOT_NULL(can);
    if (!is_device(device) || !is_device(peer)) return CUDA_ERROR_INVALID_DEVICE;
    if (const CUresult loss = loss_of(static_cast<std::uint32_t>(peer)); loss != CUDA_SUCCESS) return loss;
    *can = process()->links.has(static_cast<std::uint32_t>(device), static_cast<std::uint32_t>(peer)) ? 1 : 0;
    return CUDA_SUCCESS;
}

CUresult cuDevicePrimaryCtxRetain(CUcontext *context, CUdevice device) {
    GMEMFS_SIM_ENTER_FOR(cuDevicePrimaryCtxRetain, device);
    GMEMFS_SIM_NOT_NULL(context);
    if (!is_device(device)) return CUDA_ERROR_INVALID_DEVICE;
    Context *const retained = primary(device);
    retained->retain_count.fetch_add(1);
    *context = reinterpret_cast<CUcontext>(retained);
    return CUDA_SUCCESS;
}

CUresult cuDevicePrimaryCtxRelease(CUdevice device) {
    GMEMFS_SIM_ENTER_FOR(cuDevicePrimaryCtxRelease, device);
    if (!is_device(device)) return CUDA_ERROR_INVALID_DEVICE;
    Context *const released = primary(device);
    unsigned count = released->retain_count.load();
    while (count != 0 && !released->retain_count.compare_exchange_weak(count, count - 1)) {}
    if (count == 1) wait_for_all_streams(released); // the context goes with the last one, and else it waits for nothing
    return count != 0 ? CUDA_SUCCESS : CUDA_ERROR_INVALID_CONTEXT;
}

CUresult cuDevicePrimaryCtxGetState(CUdevice device, unsigned *flags, int *active) {
    GMEMFS_SIM_ENTER_FOR(cuDevicePrimaryCtxGetState, device);
    if (!is_device(device)) return CUDA_ERROR_INVALID_DEVICE;
    if (flags != nullptr) *flags = 0;
    if (active != nullptr) *active = primary(device)->retain_count.load() != 0 ? 1 : 0;
    return CUDA_SUCCESS;
}

CUresult cuDevicePrimaryCtxSetFlags(CUdevice device, unsigned) {
    GMEMFS_SIM_ENTER_FOR(cuDevicePrimaryCtxSetFlags, device);
    return is_device(device) ? CUDA_SUCCESS : CUDA_ERROR_INVALID_DEVICE; // how to wait is all that flags say
}

CUresult cuCtxCreate_v2(CUcontext *context, unsigned, CUdevice device) {
    GMEMFS_SIM_ENTER_FOR(cuCtxCreate, device);
    GMEMFS_SIM_NOT_NULL(context);
    if (!is_device(device)) return CUDA_ERROR_INVALID_DEVICE;
    auto *const made = new Context;
    made->device = static_cast<std::uint32_t>(device);
    made->retain_count = 1;
    if (current_context() != nullptr) pushed.push_back(current_context());
    current_context() = made;
    *context = reinterpret_cast<CUcontext>(made);
    return CUDA_SUCCESS;
}

CUresult cuCtxCreate_v4(CUcontext *context, CUctxCreateParams *, unsigned flags, CUdevice device) {
    return cuCtxCreate_v2(context, flags, device);
}

CUresult cuCtxDestroy(CUcontext context) {
    GMEMFS_SIM_ENTER(cuCtxDestroy);
    GMEMFS_SIM_NOT_NULL(context);
    auto *const mine = reinterpret_cast<Context *>(context);
    wait_for_all_streams(mine);
    mine->retain_count = 0;
    if (current_context() == mine) current_context() = nullptr;
    return CUDA_SUCCESS;
}

CUresult cuCtxSetCurrent(CUcontext context) {
    GMEMFS_SIM_ENTER_FOR(cuCtxSetCurrent, device_of(context));
    stop_where_destroyed(context);
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
    GMEMFS_SIM_ENTER_FOR(cuCtxPushCurrent, device_of(context));
    stop_where_destroyed(context);
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

CUresult cuCtxSetLimit(CUlimit limit, std::size_t size) {
    GMEMFS_SIM_ENTER_WITH_CONTEXT(cuCtxSetLimit);
    std::atomic<std::size_t> *const mine = limit_of(*current_context(), limit);
    if (mine == nullptr) return CUDA_ERROR_UNSUPPORTED_LIMIT;
    *mine = size;
    return CUDA_SUCCESS;
}

CUresult cuCtxGetLimit(std::size_t *size, CUlimit limit) {
    GMEMFS_SIM_ENTER_WITH_CONTEXT(cuCtxGetLimit);
    GMEMFS_SIM_NOT_NULL(size);
    const std::atomic<std::size_t> *const mine = limit_of(*current_context(), limit);
    if (mine == nullptr) return CUDA_ERROR_UNSUPPORTED_LIMIT;
    *size = *mine;
    return CUDA_SUCCESS;
}

CUresult cuCtxSynchronize() {
    GMEMFS_SIM_ENTER_WITH_CONTEXT(cuCtxSynchronize);
    if (const CUresult lost = conflict_with_captures(current_context(), nullptr); lost != CUDA_SUCCESS) return lost;
    wait_for_all_streams(current_context());
    return static_cast<CUresult>(current_context()->failed.load());
}

} // extern "C"
