// Entry, IPC: legacy handles of what cuMemAlloc has made. One address a handle, however often it is opened.
#include "vmm/sim/entry.hpp"
#include "vmm/sim/streams.hpp"

#include <cstring>

using namespace gmemfs::sim;

namespace {

// The address of what is open already, which counts once more; 0: it isn't.
CUdeviceptr open_again(const CUipcMemHandle &handle) {
    const std::lock_guard<std::mutex> hold(process()->mutex);
    for (auto &[address, import] : process()->legacy_imports)
        if (std::memcmp(import.handle.data(), &handle, sizeof handle) == 0) return ++import.count, address;
    return 0;
}

} // namespace

extern "C" {

CUresult cuIpcGetMemHandle(CUipcMemHandle *handle, CUdeviceptr address) {
    GMEMFS_SIM_ENTER_WITH_CONTEXT(cuIpcGetMemHandle);
    GMEMFS_SIM_NOT_NULL(handle);
    return export_legacy(handle, address);
}

CUresult cuIpcOpenMemHandle(CUdeviceptr *address, CUipcMemHandle handle, unsigned flags) {
    GMEMFS_SIM_ENTER_WITH_CONTEXT(cuIpcOpenMemHandle);
    GMEMFS_SIM_NOT_NULL(address);
    if (flags != CU_IPC_MEM_LAZY_ENABLE_PEER_ACCESS) return CUDA_ERROR_INVALID_VALUE; // the one that <cuda.h> has
    *address = open_again(handle);
    if (*address != 0) return CUDA_SUCCESS;
    std::uint64_t size = 0;
    CUmemGenericAllocationHandle memory = 0;
    if (const CUresult refused = import_legacy(&memory, handle, &size); refused != CUDA_SUCCESS) return refused;
    CUmemAccessDesc access = {};
    access.location.type = CU_MEM_LOCATION_TYPE_DEVICE;
    access.flags = CU_MEM_ACCESS_FLAGS_PROT_READWRITE;
    {
        const std::lock_guard<std::mutex> hold(process()->mutex);
        access.location.id = static_cast<int>(process()->handles.at(memory)->device);
    }
    CUresult result = reserve(address, size, 0, 0);
    if (result == CUDA_SUCCESS) result = map(*address, size, 0, memory);
    if (result == CUDA_SUCCESS) result = set_access(*address, size, &access, 1);
    access.location.id = static_cast<int>(current_context()->device);
    if (result == CUDA_SUCCESS) result = set_access(*address, size, &access, 1);
    release(memory);
    const std::lock_guard<std::mutex> hold(process()->mutex);
    if (result != CUDA_SUCCESS) return result;
    LegacyImport &import = process()->legacy_imports[*address];
    import.size = size;
    import.count = 1;
    std::memcpy(import.handle.data(), &handle, sizeof handle);
    return CUDA_SUCCESS;
}

CUresult cuIpcCloseMemHandle(CUdeviceptr address) {
    GMEMFS_SIM_ENTER_WITH_CONTEXT(cuIpcCloseMemHandle);
    std::uint64_t size = 0;
    {
        const std::lock_guard<std::mutex> hold(process()->mutex);
        const auto found = process()->legacy_imports.find(address);
        if (found == process()->legacy_imports.end()) return CUDA_ERROR_INVALID_VALUE;
        if (--found->second.count != 0) return CUDA_SUCCESS;
        size = found->second.size;
        process()->legacy_imports.erase(found);
    }
    wait_for_all_streams(current_context()); // so that a kernel that runs on it doesn't fault
    unmap(address, size);
    return free_addresses(address, size);
}

} // extern "C"
