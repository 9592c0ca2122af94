// Entry, pools: memory by rows, and memory in a stream's order, from pools that keep nothing in reserve.
#include "vmm/sim/capture.hpp"
#include "vmm/sim/entry.hpp"
#include "vmm/sim/streams.hpp"

#include <cstring>

using namespace gmemfs::sim;

namespace {

constexpr std::size_t kPitch = 512; // rows begin at multiples of this (H200, driver 580)

// The default pool of a device, a name alone.
CUmemoryPool pool_of(std::uint32_t device) {
    return reinterpret_cast<CUmemoryPool>(std::uintptr_t(0x500) + device); // NOLINT(performance-no-int-to-ptr)
}

// Whether the program has made it, of this device's memory.
bool is_own(CUmemoryPool pool, std::uint32_t device) {
    const std::lock_guard<std::mutex> hold(process()->mutex);
    const auto found = process()->own_pools.find(reinterpret_cast<std::uintptr_t>(pool));
    return found != process()->own_pools.end() && found->second == device;
}

// Memory that counts as plain at once: a stream's order makes it usable later, and it is usable now.
CUresult allocate_in_order(CUdeviceptr *address, std::size_t size, CUstream handle) {
    const std::shared_ptr<Stream> stream = find_stream(handle);
    if (!stream) return CUDA_ERROR_INVALID_HANDLE;
    if (is_capturing(*stream)) return CUDA_ERROR_NOT_SUPPORTED; // a card makes a node of the graph
    CUstreamCaptureMode mode = CU_STREAM_CAPTURE_MODE_RELAXED;  // other captures don't mind, unlike with cuMemAlloc
    exchange_capture_mode(&mode);
    const CUresult result = cuMemAlloc(address, size);
    exchange_capture_mode(&mode);
    return result;
}

CUresult free_in_order(CUdeviceptr address, CUstream handle) {
    const std::shared_ptr<Stream> stream = find_stream(handle);
    if (!stream) return CUDA_ERROR_INVALID_HANDLE;
    if (is_capturing(*stream)) return CUDA_ERROR_INVALID_VALUE; // of no node of the graph
    std::uint64_t size = 0;
    {
        const std::lock_guard<std::mutex> hold(process()->mutex);
        const auto found = process()->plain_allocations.find(address);
        if (found == process()->plain_allocations.end()) return CUDA_ERROR_INVALID_VALUE;
        size = found->second;
        process()->plain_allocations.erase(found);
    }
    submit(*stream, [address, size]() -> CUresult {
        unmap(address, size);
        free_addresses(address, size);
        return CUDA_SUCCESS;
    });
    return CUDA_SUCCESS;
}

} // namespace

extern "C" {

CUresult cuMemAllocPitch(
    CUdeviceptr *address, std::size_t *pitch, std::size_t width, std::size_t height, unsigned element_size) {
    GMEMFS_SIM_ENTER_WITH_CONTEXT(cuMemAllocPitch);
    GMEMFS_SIM_NOT_NULL(address);
    GMEMFS_SIM_NOT_NULL(pitch);
    const bool is_element = element_size == 4 || element_size == 8 || element_size == 16;
    if (!is_element || width == 0 || height == 0) return CUDA_ERROR_INVALID_VALUE;
    *pitch = (width + kPitch - 1) / kPitch * kPitch;
    return cuMemAlloc(address, *pitch * height);
}

CUresult cuDeviceGetDefaultMemPool(CUmemoryPool *pool, CUdevice device) {
    GMEMFS_SIM_ENTER(cuDeviceGetDefaultMemPool);
    GMEMFS_SIM_NOT_NULL(pool);
    if (device < 0 || static_cast<std::size_t>(device) >= process()->device_sizes.size())
        return CUDA_ERROR_INVALID_DEVICE;
    *pool = pool_of(static_cast<std::uint32_t>(device));
    return CUDA_SUCCESS;
}

// There are no other pools to choose.
CUresult cuDeviceGetMemPool(CUmemoryPool *pool, CUdevice device) { return cuDeviceGetDefaultMemPool(pool, device); }

CUresult cuMemAllocAsync(CUdeviceptr *address, std::size_t size, CUstream stream) {
    GMEMFS_SIM_ENTER_WITH_CONTEXT(cuMemAllocAsync);
    GMEMFS_SIM_NOT_NULL(address);
    return allocate_in_order(address, size, stream);
}

CUresult cuMemAllocFromPoolAsync(CUdeviceptr *address, std::size_t size, CUmemoryPool pool, CUstream stream) {
    GMEMFS_SIM_ENTER_WITH_CONTEXT(cuMemAllocFromPoolAsync);
    GMEMFS_SIM_NOT_NULL(address);
    const std::uint32_t device = current_context()->device;
    if (pool != pool_of(device) && !is_own(pool, device)) return CUDA_ERROR_INVALID_VALUE;
    return allocate_in_order(address, size, stream);
}

CUresult cuMemFreeAsync(CUdeviceptr address, CUstream stream) {
    GMEMFS_SIM_ENTER_WITH_CONTEXT(cuMemFreeAsync);
    return free_in_order(address, stream);
}

// The forms whose null stream is the thread's own.
CUresult cuMemAllocAsync_ptsz(CUdeviceptr *address, std::size_t size, CUstream stream) {
    return cuMemAllocAsync(address, size, stream == nullptr ? CU_STREAM_PER_THREAD : stream);
}

CUresult cuMemAllocFromPoolAsync_ptsz(CUdeviceptr *address, std::size_t size, CUmemoryPool pool, CUstream stream) {
    return cuMemAllocFromPoolAsync(address, size, pool, stream == nullptr ? CU_STREAM_PER_THREAD : stream);
}

CUresult cuMemFreeAsync_ptsz(CUdeviceptr address, CUstream stream) {
    return cuMemFreeAsync(address, stream == nullptr ? CU_STREAM_PER_THREAD : stream);
}

CUresult cuStreamGetCtx(CUstream handle, CUcontext *context) {
    GMEMFS_SIM_ENTER_WITH_CONTEXT(cuStreamGetCtx);
    GMEMFS_SIM_NOT_NULL(context);
    const std::shared_ptr<Stream> stream = find_stream(handle);
    if (!stream) return CUDA_ERROR_INVALID_HANDLE;
    *context = reinterpret_cast<CUcontext>(const_cast<Context *>(stream->context())); // NOLINT: a handle to its user
    return CUDA_SUCCESS;
}

// As <cuda.h> has it: success, and zeros where one is not known of the pointer.
CUresult cuPointerGetAttributes(unsigned count, CUpointer_attribute *attributes, void **data, CUdeviceptr address) {
    GMEMFS_SIM_ENTER_WITH_CONTEXT(cuPointerGetAttributes);
    GMEMFS_SIM_NOT_NULL(attributes);
    GMEMFS_SIM_NOT_NULL(data);
    for (unsigned index = 0; index < count; ++index)
        if (cuPointerGetAttribute(data[index], attributes[index], address) != CUDA_SUCCESS && data[index] != nullptr)
            std::memset(data[index], 0, sizeof(int)); // the least that any has
    return CUDA_SUCCESS;
}

} // extern "C"
