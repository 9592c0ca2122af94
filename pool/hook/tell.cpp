// Tell: the hooks that answer questions as if each block were an allocation; peers, and the ends of contexts.
#include "pool/hook/process_pool.hpp"
#include "pool/hook/real.hpp"
#include "pool/nvml/pool_memory.h"

#include <algorithm>
#include <cstring>

using namespace gmemfs;
using namespace gmemfs::pool;

namespace {

constexpr unsigned long long kBufferIds = 1ULL << 62; // beside those that the driver counts

template <typename Value>
bool tell(void *data, Value value) {
    std::memcpy(data, &value, sizeof(Value)); // NOLINT(bugprone-sizeof-expression): also of a pointer
    return true;
}

// False: the driver's answer is right.
bool tell_attribute(const DevicePool::Block &block, CUpointer_attribute attribute, void *data) {
    switch (attribute) {
    case CU_POINTER_ATTRIBUTE_RANGE_START_ADDR: return tell(data, block.address);
    case CU_POINTER_ATTRIBUTE_RANGE_SIZE: return tell(data, static_cast<std::size_t>(block.size));
    case CU_POINTER_ATTRIBUTE_CONTEXT: return tell(data, block.context);
    case CU_POINTER_ATTRIBUTE_BUFFER_ID: return tell(data, kBufferIds + block.serial);
    // Whatever is a boolean's width: the driver has written all of it, 0 for memory of cuMemCreate.
    case CU_POINTER_ATTRIBUTE_IS_LEGACY_CUDA_IPC_CAPABLE: return tell(data, block.is_shareable);
    default: return false;
    }
}

std::optional<DevicePool::Block> find(CUdeviceptr address) {
    ProcessPool *const pool = ProcessPool::get();
    return pool == nullptr ? std::nullopt : pool->find(address);
}

// What waits is waited for, because nobody could afterwards: a context that is gone can't be made current.
void settle() {
    ProcessPool *const pool = ProcessPool::get();
    if (pool == nullptr) return;
    for (const auto &device : pool->devices()) (void)device->settle(); // an error is of the context that goes
}

void drop(CUcontext context) {
    ProcessPool *const pool = ProcessPool::get();
    if (pool == nullptr || context == nullptr) return;
    for (const auto &device : pool->devices()) device->drop(context);
}

// Calls `end()`, which may end the device's primary context.
template <typename End>
CUresult end_primary(CUdevice device, const End &end) {
    ProcessPool *const pool = ProcessPool::get();
    if (pool == nullptr) return end();
    const Driver &driver = pool->driver();
    unsigned flags = 0;
    int is_active = 0;
    CUcontext context = nullptr;
    if (driver.cuDevicePrimaryCtxGetState(device, &flags, &is_active) == CUDA_SUCCESS && is_active != 0 &&
        driver.cuDevicePrimaryCtxRetain(&context, device) == CUDA_SUCCESS) {
        settle();
        (void)driver.cuDevicePrimaryCtxRelease(device);
    }
    const CUresult result = end();
    if (driver.cuDevicePrimaryCtxGetState(device, &flags, &is_active) == CUDA_SUCCESS && is_active == 0) drop(context);
    return result;
}

// Memory that the pool holds and nobody has is free to the program, and a limit is all that there is.
gmemfs_pool_memory bound(const Limit &limit, std::uint64_t idle, gmemfs_pool_memory there) {
    there.free = std::min<unsigned long long>(there.free + idle, there.total);
    if (limit.bytes() == 0) return there;
    const std::uint64_t left = limit.bytes() - std::min(limit.bytes(), limit.held()) + idle;
    return {std::min<unsigned long long>(there.free, left), std::min<unsigned long long>(there.total, limit.bytes())};
}

} // namespace

extern "C" {

void gmemfs_pool_bound_memory(const unsigned char *uuid, gmemfs_pool_memory *memory) {
    ProcessPool *const pool = ProcessPool::get();
    if (pool == nullptr) return;
    std::uint64_t idle = 0;
    for (const auto &device : pool->devices())
        if (std::memcmp(device->device().uuid.data(), uuid, device->device().uuid.size()) == 0) idle = device->idle();
    *memory = bound(pool->limit(), idle, *memory);
}

CUresult cuMemGetInfo_v2(std::size_t *free, std::size_t *total) {
    std::size_t has_free = 0, has_all = 0;
    const CUresult result = real().cuMemGetInfo_v2(&has_free, &has_all);
    if (result != CUDA_SUCCESS) return result;
    ProcessPool *const pool = ProcessPool::get();
    DevicePool *const here = pool == nullptr ? nullptr : pool->here().pool;
    if (here != nullptr) {
        const gmemfs_pool_memory told = bound(pool->limit(), here->idle(), {has_free, has_all});
        has_free = told.free;
        has_all = told.total;
    }
    if (free != nullptr) *free = has_free;
    if (total != nullptr) *total = has_all;
    return CUDA_SUCCESS;
}

CUresult cuMemGetAddressRange_v2(CUdeviceptr *base, std::size_t *size, CUdeviceptr address) {
    const std::optional<DevicePool::Block> block = find(address);
    if (!block) return real().cuMemGetAddressRange_v2(base, size, address);
    if (base != nullptr) *base = block->address;
    if (size != nullptr) *size = block->size;
    return CUDA_SUCCESS;
}

CUresult cuPointerGetAttribute(void *data, CUpointer_attribute attribute, CUdeviceptr address) {
    const std::optional<DevicePool::Block> block = data == nullptr ? std::nullopt : find(address);
    if (attribute == CU_POINTER_ATTRIBUTE_IS_LEGACY_CUDA_IPC_CAPABLE) {
        const CUresult result = real().cuPointerGetAttribute(data, attribute, address);
        if (result == CUDA_SUCCESS && block) tell_attribute(*block, attribute, data);
        return result;
    }
    if (block && tell_attribute(*block, attribute, data)) return CUDA_SUCCESS;
    return real().cuPointerGetAttribute(data, attribute, address);
}

CUresult cuPointerGetAttributes(unsigned count, CUpointer_attribute *attributes, void **data, CUdeviceptr address) {
    const CUresult result = real().cuPointerGetAttributes(count, attributes, data, address);
    if (result != CUDA_SUCCESS) return result;
    if (const std::optional<DevicePool::Block> block = find(address))
        for (unsigned index = 0; index < count; ++index)
            if (data[index] != nullptr) (void)tell_attribute(*block, attributes[index], data[index]);
    return CUDA_SUCCESS;
}

// The driver opens what it has allocated; the pool's memory is opened here. Never closed again: access is no lock.
CUresult cuCtxEnablePeerAccess(CUcontext peer, unsigned flags) {
    const CUresult result = real().cuCtxEnablePeerAccess(peer, flags);
    ProcessPool *const pool = ProcessPool::get();
    const bool is_enabled = result == CUDA_SUCCESS || result == CUDA_ERROR_PEER_ACCESS_ALREADY_ENABLED;
    if (pool == nullptr || !is_enabled) return result;
    DevicePool *const user = pool->here().pool;
    DevicePool *const owner = pool->pool_of(peer);
    if (user == nullptr || owner == nullptr) return result;
    const Result<void> opened = owner->open_to(user->device().handle);
    return opened ? result : static_cast<CUresult>(opened.error().driver);
}

CUresult cuStreamDestroy_v2(CUstream stream) {
    if (ProcessPool *const pool = ProcessPool::get(); pool != nullptr)
        for (const auto &device : pool->devices()) device->forget(stream);
    return real().cuStreamDestroy_v2(stream);
}

CUresult cuCtxDestroy_v2(CUcontext context) {
    settle();
    const CUresult result = real().cuCtxDestroy_v2(context);
    if (result == CUDA_SUCCESS) drop(context);
    return result;
}

CUresult cuDevicePrimaryCtxRelease_v2(CUdevice device) {
    return end_primary(device, [&] { return real().cuDevicePrimaryCtxRelease_v2(device); });
}

CUresult cuDevicePrimaryCtxReset_v2(CUdevice device) {
    return end_primary(device, [&] { return real().cuDevicePrimaryCtxReset_v2(device); });
}

} // extern "C"
