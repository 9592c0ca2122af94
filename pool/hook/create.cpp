// Create: the hooks of memory that a program makes and maps itself: a file each, for as long as it is there.
#include "pool/hook/process_pool.hpp"
#include "pool/hook/real.hpp"

using namespace gmemfs;
using namespace gmemfs::pool;

namespace {

constexpr unsigned kFd = CU_MEM_HANDLE_TYPE_POSIX_FILE_DESCRIPTOR;
constexpr unsigned kFabric = CU_MEM_HANDLE_TYPE_FABRIC;

DevicePool *device_of(const ProcessPool &pool, const CUmemAllocationProp *properties) {
    if (properties == nullptr || properties->type != CU_MEM_ALLOCATION_TYPE_PINNED ||
        properties->location.type != CU_MEM_LOCATION_TYPE_DEVICE)
        return nullptr;
    for (const auto &device : pool.devices())
        if (device->device().handle == properties->location.id) return device.get();
    return nullptr;
}

// Of an allocation that can be exported as a descriptor. Null: it is no file.
Result<std::unique_ptr<ExtentFiles::Listed>> list(
    ProcessPool &pool, const DeviceInfo &device, std::size_t size, CUmemGenericAllocationHandle handle) {
    int number = -1;
    const CUresult exported =
        pool.driver().cuMemExportToShareableHandle(&number, handle, CU_MEM_HANDLE_TYPE_POSIX_FILE_DESCRIPTOR, 0);
    const Fd memory(exported == CUDA_SUCCESS ? number : -1);
    if (!memory) return std::unique_ptr<ExtentFiles::Listed>();
    return pool.files().add(ExtentFiles::Kind::allocation, device, size, memory);
}

// Each is asked for with a descriptor, too; where the driver doesn't want that, as the program has it. Small ones as
// well: PyTorch's expandable segments are made of 2 and 20 MiB.
CUresult create(CUmemGenericAllocationHandle *handle, std::size_t size, const CUmemAllocationProp *properties,
    unsigned long long flags, bool &may_be_listed) {
    const unsigned types = properties->requestedHandleTypes;
    may_be_listed = (types & ~(kFd | kFabric)) == 0;
    if (may_be_listed && (types & kFd) == 0) {
        CUmemAllocationProp exportable = *properties;
        exportable.requestedHandleTypes = static_cast<CUmemAllocationHandleType>(types | kFd);
        const CUresult made = real().cuMemCreate(handle, size, &exportable, flags);
        if (made == CUDA_SUCCESS || made == CUDA_ERROR_OUT_OF_MEMORY) return made;
        may_be_listed = false;
    }
    return real().cuMemCreate(handle, size, properties, flags);
}

} // namespace

extern "C" {

CUresult cuMemCreate(CUmemGenericAllocationHandle *handle, std::size_t size, const CUmemAllocationProp *properties,
    unsigned long long flags) {
    ProcessPool *const pool = ProcessPool::get();
    DevicePool *const device = pool == nullptr ? nullptr : device_of(*pool, properties);
    if (device == nullptr || handle == nullptr) return real().cuMemCreate(handle, size, properties, flags);
    if (!pool->limit().take(size)) return CUDA_ERROR_OUT_OF_MEMORY;
    bool may_be_listed = false;
    const CUresult made = create(handle, size, properties, flags, may_be_listed);
    if (made != CUDA_SUCCESS) {
        pool->limit().give(size);
        return made;
    }
    std::unique_ptr<ExtentFiles::Listed> listed;
    if (may_be_listed) {
        Result<std::unique_ptr<ExtentFiles::Listed>> added = list(*pool, device->device(), size, *handle);
        if (!added) { // no room for it in the mount, or none for its user
            (void)real().cuMemRelease(*handle);
            pool->limit().give(size);
            return CUDA_ERROR_OUT_OF_MEMORY;
        }
        listed = *std::move(added);
    }
    pool->own().created(*handle, std::make_shared<OwnAllocation>(std::move(listed), pool->limit(), size,
                                     pool->callers().library_of(__builtin_return_address(0))));
    return CUDA_SUCCESS;
}

CUresult cuMemRelease(CUmemGenericAllocationHandle handle) {
    const CUresult result = real().cuMemRelease(handle);
    if (ProcessPool *const pool = ProcessPool::get(); pool != nullptr && result == CUDA_SUCCESS)
        pool->own().released(handle);
    return result;
}

CUresult cuMemRetainAllocationHandle(CUmemGenericAllocationHandle *handle, void *address) {
    const CUresult result = real().cuMemRetainAllocationHandle(handle, address);
    if (ProcessPool *const pool = ProcessPool::get(); pool != nullptr && result == CUDA_SUCCESS)
        pool->own().retained(*handle, reinterpret_cast<CUdeviceptr>(address));
    return result;
}

CUresult cuMemMap(CUdeviceptr address, std::size_t size, std::size_t offset, CUmemGenericAllocationHandle handle,
    unsigned long long flags) {
    const CUresult result = real().cuMemMap(address, size, offset, handle, flags);
    if (ProcessPool *const pool = ProcessPool::get(); pool != nullptr && result == CUDA_SUCCESS)
        pool->own().mapped(address, size, handle);
    return result;
}

CUresult cuMemUnmap(CUdeviceptr address, std::size_t size) {
    const CUresult result = real().cuMemUnmap(address, size);
    if (ProcessPool *const pool = ProcessPool::get(); pool != nullptr && result == CUDA_SUCCESS)
        pool->own().unmapped(address, size);
    return result;
}

} // extern "C"
