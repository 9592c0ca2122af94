// Entry, kinds: managed memory, arrays, memory pools that a program makes: they take of the device, and are no use.
#include "vmm/sim/entry.hpp"

#include <algorithm>

using namespace gmemfs::sim;

namespace {

std::uint64_t element_size(CUarray_format format) {
    switch (format) {
    case CU_AD_FORMAT_UNSIGNED_INT8:
    case CU_AD_FORMAT_SIGNED_INT8: return 1;
    case CU_AD_FORMAT_UNSIGNED_INT16:
    case CU_AD_FORMAT_SIGNED_INT16:
    case CU_AD_FORMAT_HALF: return 2;
    default: return 4;
    }
}

} // namespace

extern "C" {

// Processors can't touch it, as on a card while kernels run.
CUresult cuMemAllocManaged(CUdeviceptr *address, std::size_t size, unsigned flags) {
    GMEMFS_SIM_ENTER_WITH_CONTEXT(cuMemAllocManaged);
    if (flags != CU_MEM_ATTACH_GLOBAL && flags != CU_MEM_ATTACH_HOST) return CUDA_ERROR_INVALID_VALUE;
    return cuMemAlloc(address, size);
}

// Nothing copies to it.
CUresult cuArray3DCreate(CUarray *array, const CUDA_ARRAY3D_DESCRIPTOR *wanted) {
    GMEMFS_SIM_ENTER_WITH_CONTEXT(cuArray3DCreate);
    GMEMFS_SIM_NOT_NULL(array);
    GMEMFS_SIM_NOT_NULL(wanted);
    if (wanted->Width == 0 || wanted->NumChannels == 0) return CUDA_ERROR_INVALID_VALUE;
    const std::uint64_t size = wanted->Width * std::max<std::uint64_t>(wanted->Height, 1) *
                               std::max<std::uint64_t>(wanted->Depth, 1) * wanted->NumChannels *
                               element_size(wanted->Format);
    CUmemAllocationProp properties = {};
    properties.type = CU_MEM_ALLOCATION_TYPE_PINNED;
    properties.location.type = CU_MEM_LOCATION_TYPE_DEVICE;
    properties.location.id = static_cast<int>(current_context()->device);
    CUmemGenericAllocationHandle memory = 0;
    const std::uint64_t whole = (size + kGranularity - 1) / kGranularity * kGranularity;
    const CUresult made = create(&memory, whole, size, &properties);
    *array = reinterpret_cast<CUarray>(memory); // NOLINT(performance-no-int-to-ptr): a handle is a number
    return made;
}

CUresult cuArrayCreate(CUarray *array, const CUDA_ARRAY_DESCRIPTOR *wanted) {
    GMEMFS_SIM_ENTER_WITH_CONTEXT(cuArrayCreate);
    GMEMFS_SIM_NOT_NULL(wanted);
    const CUDA_ARRAY3D_DESCRIPTOR same = {wanted->Width, wanted->Height, 0, wanted->Format, wanted->NumChannels, 0};
    return cuArray3DCreate(array, &same);
}

CUresult cuArrayDestroy(CUarray array) {
    GMEMFS_SIM_ENTER_WITH_CONTEXT(cuArrayDestroy);
    return release(reinterpret_cast<std::uintptr_t>(array));
}

CUresult cuMemPoolCreate(CUmemoryPool *pool, const CUmemPoolProps *wanted) {
    GMEMFS_SIM_ENTER(cuMemPoolCreate);
    GMEMFS_SIM_NOT_NULL(pool);
    GMEMFS_SIM_NOT_NULL(wanted);
    if (wanted->allocType != CU_MEM_ALLOCATION_TYPE_PINNED || wanted->location.type != CU_MEM_LOCATION_TYPE_DEVICE)
        return CUDA_ERROR_INVALID_VALUE;
    if (wanted->location.id < 0 || static_cast<std::size_t>(wanted->location.id) >= process()->device_sizes.size())
        return CUDA_ERROR_INVALID_DEVICE;
    const std::lock_guard<std::mutex> hold(process()->mutex);
    const std::uint64_t number = process()->next_handle++;
    process()->own_pools[number] = static_cast<std::uint32_t>(wanted->location.id);
    *pool = reinterpret_cast<CUmemoryPool>(number); // NOLINT(performance-no-int-to-ptr)
    return CUDA_SUCCESS;
}

CUresult cuMemPoolDestroy(CUmemoryPool pool) {
    GMEMFS_SIM_ENTER(cuMemPoolDestroy);
    const std::lock_guard<std::mutex> hold(process()->mutex);
    return process()->own_pools.erase(reinterpret_cast<std::uintptr_t>(pool)) != 0 ? CUDA_SUCCESS
                                                                                   : CUDA_ERROR_INVALID_VALUE;
}

} // extern "C"
