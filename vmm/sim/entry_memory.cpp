// Entry, memory: allocations, addresses, handles, pinned memory. None but the last needs a context (H200, driver 580).
#include "vmm/sim/capture.hpp"
#include "vmm/sim/entry.hpp"
#include "vmm/sim/streams.hpp"

#include <algorithm>
#include <cstring>
#include <sys/mman.h>

using namespace gmemfs::sim;

namespace {

CUmemAllocationProp plain_properties(std::uint32_t device) {
    CUmemAllocationProp properties = {};
    properties.type = CU_MEM_ALLOCATION_TYPE_PINNED;
    properties.location.type = device == kHost ? CU_MEM_LOCATION_TYPE_HOST_NUMA : CU_MEM_LOCATION_TYPE_DEVICE;
    properties.location.id = device == kHost ? 0 : static_cast<int>(device);
    return properties;
}

// Of which the memory is; -1: of no device, or there is none.
long long device_of(const Memory &memory) { return memory.is_host() ? -1 : static_cast<long long>(memory.device); }

long long device_of(CUmemGenericAllocationHandle handle) {
    if (process() == nullptr) return -1;
    const std::lock_guard<std::mutex> hold(process()->mutex);
    const auto found = process()->handles.find(handle);
    return found == process()->handles.end() ? -1 : device_of(*found->second);
}

long long device_at(CUdeviceptr address) {
    if (process() == nullptr) return -1;
    const std::lock_guard<std::mutex> hold(process()->mutex);
    const auto found = process()->mapping_at(address);
    return found == process()->mappings.end() ? -1 : device_of(*found->second.memory);
}

template <typename Value>
CUresult tell(void *data, Value value) {
    std::memcpy(data, &value, sizeof value);
    return CUDA_SUCCESS;
}

} // namespace

extern "C" {

CUresult cuMemGetInfo(std::size_t *free, std::size_t *total) {
    GMEMFS_SIM_ENTER_WITH_CONTEXT(cuMemGetInfo);
    Process &mine = *process();
    const std::uint32_t device = current_context()->device;
    const std::uint64_t size = mine.device_sizes[device];
    if (total != nullptr) *total = size;
    if (free != nullptr) *free = size - std::min(size, mine.machine->used(device));
    return CUDA_SUCCESS;
}

CUresult cuMemGetAllocationGranularity(
    std::size_t *granularity, const CUmemAllocationProp *properties, CUmemAllocationGranularity_flags) {
    GMEMFS_SIM_NOT_NULL(granularity);
    GMEMFS_SIM_NOT_NULL(properties);
    GMEMFS_SIM_ENTER_FOR(cuMemGetAllocationGranularity, properties->location);
    if (properties->type != CU_MEM_ALLOCATION_TYPE_PINNED) return CUDA_ERROR_INVALID_VALUE;
    *granularity = kGranularity; // minimum and recommended (H200, driver 580)
    return CUDA_SUCCESS;
}

CUresult cuMemCreate(CUmemGenericAllocationHandle *handle, std::size_t size, const CUmemAllocationProp *properties,
    unsigned long long flags) {
    GMEMFS_SIM_NOT_NULL(handle);
    GMEMFS_SIM_NOT_NULL(properties);
    GMEMFS_SIM_ENTER_FOR(cuMemCreate, properties->location);
    if (flags != 0) return CUDA_ERROR_INVALID_VALUE;
    return create(handle, size, size, properties);
}

CUresult cuMemRelease(CUmemGenericAllocationHandle handle) {
    GMEMFS_SIM_ENTER(cuMemRelease);
    return release(handle);
}

CUresult cuMemAddressReserve(
    CUdeviceptr *address, std::size_t size, std::size_t alignment, CUdeviceptr wished, unsigned long long flags) {
    GMEMFS_SIM_ENTER(cuMemAddressReserve);
    GMEMFS_SIM_NOT_NULL(address);
    if (flags != 0) return CUDA_ERROR_INVALID_VALUE;
    return reserve(address, size, alignment, wished);
}

CUresult cuMemAddressFree(CUdeviceptr address, std::size_t size) {
    GMEMFS_SIM_ENTER(cuMemAddressFree);
    return free_addresses(address, size);
}

CUresult cuMemMap(CUdeviceptr address, std::size_t size, std::size_t offset, CUmemGenericAllocationHandle handle,
    unsigned long long flags) {
    GMEMFS_SIM_ENTER_FOR(cuMemMap, device_of(handle));
    if (flags != 0) return CUDA_ERROR_INVALID_VALUE;
    return map(address, size, offset, handle);
}

CUresult cuMemUnmap(CUdeviceptr address, std::size_t size) {
    GMEMFS_SIM_ENTER(cuMemUnmap);
    return unmap(address, size);
}

CUresult cuMemSetAccess(CUdeviceptr address, std::size_t size, const CUmemAccessDesc *descriptions, std::size_t count) {
    GMEMFS_SIM_ENTER_FOR(cuMemSetAccess, device_at(address));
    GMEMFS_SIM_NOT_NULL(descriptions);
    for (std::size_t index = 0; index < count; ++index)
        if (descriptions[index].location.type == CU_MEM_LOCATION_TYPE_DEVICE)
            if (const CUresult loss = loss_of(static_cast<std::uint32_t>(descriptions[index].location.id));
                loss != CUDA_SUCCESS)
                return loss;
    return set_access(address, size, descriptions, count);
}

CUresult cuMemGetAccess(unsigned long long *flags, const CUmemLocation *location, CUdeviceptr address) {
    GMEMFS_SIM_ENTER(cuMemGetAccess);
    GMEMFS_SIM_NOT_NULL(flags);
    GMEMFS_SIM_NOT_NULL(location);
    return get_access(flags, *location, address);
}

CUresult cuMemExportToShareableHandle(
    void *handle, CUmemGenericAllocationHandle from, CUmemAllocationHandleType type, unsigned long long flags) {
    GMEMFS_SIM_ENTER_FOR(cuMemExportToShareableHandle, device_of(from));
    GMEMFS_SIM_NOT_NULL(handle);
    if (flags != 0) return CUDA_ERROR_INVALID_VALUE;
    return export_handle(handle, from, type);
}

CUresult cuMemImportFromShareableHandle(
    CUmemGenericAllocationHandle *handle, void *from, CUmemAllocationHandleType type) {
    GMEMFS_SIM_ENTER(cuMemImportFromShareableHandle);
    GMEMFS_SIM_NOT_NULL(handle);
    return import_handle(handle, from, type);
}

CUresult cuMemRetainAllocationHandle(CUmemGenericAllocationHandle *handle, void *address) {
    GMEMFS_SIM_ENTER(cuMemRetainAllocationHandle);
    GMEMFS_SIM_NOT_NULL(handle);
    return retain_handle(handle, reinterpret_cast<CUdeviceptr>(address));
}

CUresult cuMemGetAllocationPropertiesFromHandle(CUmemAllocationProp *properties, CUmemGenericAllocationHandle handle) {
    GMEMFS_SIM_ENTER(cuMemGetAllocationPropertiesFromHandle);
    GMEMFS_SIM_NOT_NULL(properties);
    const std::lock_guard<std::mutex> hold(process()->mutex);
    const auto found = process()->handles.find(handle);
    if (found == process()->handles.end()) return CUDA_ERROR_INVALID_VALUE;
    *properties = plain_properties(found->second->device);
    properties->requestedHandleTypes = static_cast<CUmemAllocationHandleType>(found->second->handle_types);
    return CUDA_SUCCESS;
}

CUresult cuMemGetHandleForAddressRange(void *, CUdeviceptr, std::size_t, CUmemRangeHandleType, unsigned long long) {
    GMEMFS_SIM_ENTER_WITH_CONTEXT(cuMemGetHandleForAddressRange); // INVALID_CONTEXT without one (H200)
    return CUDA_ERROR_NOT_SUPPORTED; // a dma-buf: a card has it (H200, driver 580), a memfd has not
}

CUresult cuMemAlloc(CUdeviceptr *address, std::size_t size) {
    GMEMFS_SIM_ENTER_WITH_CONTEXT(cuMemAlloc);
    GMEMFS_SIM_NOT_NULL(address);
    if (size == 0) return CUDA_ERROR_INVALID_VALUE;
    if (const CUresult lost = endanger_captures(); lost != CUDA_SUCCESS) return lost;
    const std::uint32_t device = current_context()->device;
    const std::size_t whole = (size + kGranularity - 1) / kGranularity * kGranularity;
    const CUmemAllocationProp properties = plain_properties(device);
    CUmemGenericAllocationHandle handle = 0;
    if (const CUresult result = create(&handle, whole, size, &properties); result != CUDA_SUCCESS) return result;
    CUresult result = reserve(address, whole, 0, 0);
    if (result == CUDA_SUCCESS) result = map(*address, whole, 0, handle);
    const CUmemAccessDesc access = {properties.location, CU_MEM_ACCESS_FLAGS_PROT_READWRITE};
    if (result == CUDA_SUCCESS) result = set_access(*address, whole, &access, 1);
    if (result == CUDA_SUCCESS) result = open_to_peers(*address, whole, device);
    release(handle);
    const std::lock_guard<std::mutex> hold(process()->mutex);
    if (result == CUDA_SUCCESS) process()->plain_allocations[*address] = whole;
    return result;
}

CUresult cuMemFree(CUdeviceptr address) {
    GMEMFS_SIM_ENTER_WITH_CONTEXT(cuMemFree);
    if (const CUresult lost = endanger_captures(); lost != CUDA_SUCCESS) return lost;
    std::uint64_t size = 0;
    {
        const std::lock_guard<std::mutex> hold(process()->mutex);
        const auto found = process()->plain_allocations.find(address);
        if (found == process()->plain_allocations.end()) return CUDA_ERROR_INVALID_VALUE;
        size = found->second;
        process()->plain_allocations.erase(found);
    }
    wait_for_all_streams(current_context()); // cuMemFree synchronises, cuMemUnmap does not (H200)
    unmap(address, size);
    const CUresult freed = free_addresses(address, size);
    const auto failed = static_cast<CUresult>(current_context()->failed.load());
    return failed != CUDA_SUCCESS ? failed : freed;
}

CUresult cuMemGetAddressRange(CUdeviceptr *base, std::size_t *size, CUdeviceptr address) {
    GMEMFS_SIM_ENTER_WITH_CONTEXT(cuMemGetAddressRange);
    const std::lock_guard<std::mutex> hold(process()->mutex);
    const auto found = process()->mapping_at(address);
    if (found == process()->mappings.end()) return CUDA_ERROR_NOT_FOUND;
    if (base != nullptr) *base = found->first | kTag;
    if (size != nullptr) *size = found->second.size;
    return CUDA_SUCCESS;
}

CUresult cuPointerGetAttribute(void *data, CUpointer_attribute attribute, CUdeviceptr address) {
    GMEMFS_SIM_ENTER_WITH_CONTEXT(cuPointerGetAttribute);
    GMEMFS_SIM_NOT_NULL(data);
    const std::lock_guard<std::mutex> hold(process()->mutex);
    if ((address & kTag) == 0) address = process()->device_address(address); // <cuda.h>: "from either address"
    const auto found = process()->mapping_at(address);
    if (found == process()->mappings.end()) return CUDA_ERROR_INVALID_VALUE;
    const Mapping &mapping = found->second;
    const bool is_host = mapping.memory->is_host();
    switch (attribute) {
    case CU_POINTER_ATTRIBUTE_MEMORY_TYPE:
        return tell(data, static_cast<unsigned>(is_host ? CU_MEMORYTYPE_HOST : CU_MEMORYTYPE_DEVICE));
    case CU_POINTER_ATTRIBUTE_DEVICE_POINTER: return tell(data, address);
    case CU_POINTER_ATTRIBUTE_IS_LEGACY_CUDA_IPC_CAPABLE:
        return tell(data, static_cast<int>(process()->plain_allocations.count(found->first | kTag)));
    case CU_POINTER_ATTRIBUTE_HOST_POINTER: // INVALID_VALUE where processors have no access (H200, driver 580)
        if (!mapping.has_host_access) return CUDA_ERROR_INVALID_VALUE;
        return tell(data, mapping.host_view + (address & ~kTag) - found->first);
    case CU_POINTER_ATTRIBUTE_DEVICE_ORDINAL: // 0 of host memory (one H200, driver 580)
        return tell(data, is_host ? 0 : static_cast<int>(mapping.memory->device));
    default: return CUDA_ERROR_NOT_SUPPORTED;
    }
}

CUresult cuMemHostAlloc(void **memory, std::size_t size, unsigned) {
    GMEMFS_SIM_ENTER_WITH_CONTEXT(cuMemHostAlloc);
    GMEMFS_SIM_NOT_NULL(memory);
    if (size == 0) return CUDA_ERROR_INVALID_VALUE;
    if (const CUresult lost = endanger_captures(); lost != CUDA_SUCCESS) return lost;
    void *const made = ::mmap(nullptr, size, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
    if (made == MAP_FAILED) return CUDA_ERROR_OUT_OF_MEMORY;
    if (process()->is_resident && ::mlock(made, size) != 0) {
        ::munmap(made, size);
        return CUDA_ERROR_OUT_OF_MEMORY;
    }
    const std::lock_guard<std::mutex> hold(process()->mutex);
    process()->pinned[reinterpret_cast<std::uint64_t>(made)] = size;
    *memory = made;
    return CUDA_SUCCESS;
}

CUresult cuMemFreeHost(void *memory) {
    GMEMFS_SIM_ENTER_WITH_CONTEXT(cuMemFreeHost);
    if (const CUresult lost = endanger_captures(); lost != CUDA_SUCCESS) return lost;
    wait_for_all_streams(current_context()); // freeing pinned memory waits for the copies that use it
    const std::lock_guard<std::mutex> hold(process()->mutex);
    const auto found = process()->pinned.find(reinterpret_cast<std::uint64_t>(memory));
    if (found == process()->pinned.end()) return CUDA_ERROR_INVALID_VALUE;
    ::munmap(memory, found->second);
    process()->pinned.erase(found);
    return CUDA_SUCCESS;
}

CUresult cuMemHostRegister(void *memory, std::size_t size, unsigned) {
    GMEMFS_SIM_ENTER_WITH_CONTEXT(cuMemHostRegister);
    if (memory == nullptr || size == 0) return CUDA_ERROR_INVALID_VALUE;
    if (process()->is_resident && ::mlock(memory, size) != 0) return CUDA_ERROR_OUT_OF_MEMORY;
    const std::lock_guard<std::mutex> hold(process()->mutex);
    const bool is_new = process()->pinned.emplace(reinterpret_cast<std::uint64_t>(memory), size).second;
    return is_new ? CUDA_SUCCESS : CUDA_ERROR_HOST_MEMORY_ALREADY_REGISTERED;
}

CUresult cuMemHostUnregister(void *memory) {
    GMEMFS_SIM_ENTER_WITH_CONTEXT(cuMemHostUnregister);
    wait_for_all_streams(current_context());
    const std::lock_guard<std::mutex> hold(process()->mutex);
    const bool was_there = process()->pinned.erase(reinterpret_cast<std::uint64_t>(memory)) != 0;
    return was_there ? CUDA_SUCCESS : CUDA_ERROR_HOST_MEMORY_NOT_REGISTERED;
}

CUresult cuMemHostGetDevicePointer(CUdeviceptr *, void *, unsigned) {
    GMEMFS_SIM_ENTER_WITH_CONTEXT(cuMemHostGetDevicePointer);
    return CUDA_ERROR_NOT_SUPPORTED; // kernels here reach device memory alone
}

} // extern "C"
