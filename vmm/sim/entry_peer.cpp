// Entry, peers: a device's access to what another one has by cuMemAlloc. cuMemCreate's memory is given access itself.
#include "vmm/sim/entry.hpp"

#include <utility>
#include <vector>

using namespace gmemfs::sim;

extern "C" {

// To all that the other context's device has, now and later.
CUresult cuCtxEnablePeerAccess(CUcontext context, unsigned flags) {
    GMEMFS_SIM_ENTER_WITH_CONTEXT(cuCtxEnablePeerAccess);
    GMEMFS_SIM_NOT_NULL(context);
    if (flags != 0) return CUDA_ERROR_INVALID_VALUE;
    Process &mine = *process();
    const std::uint32_t owner = reinterpret_cast<const Context *>(context)->device;
    const std::uint32_t user = current_context()->device;
    if (!mine.links.has(owner, user)) return CUDA_ERROR_PEER_ACCESS_UNSUPPORTED;
    std::vector<std::pair<CUdeviceptr, std::uint64_t>> opened;
    {
        const std::lock_guard<std::mutex> hold(mine.mutex);
        if (!mine.peer_users[owner].insert(user).second) return CUDA_ERROR_PEER_ACCESS_ALREADY_ENABLED;
        for (const auto &[address, size] : mine.plain_allocations)
            if (const auto mapping = mine.mapping_at(address);
                mapping != mine.mappings.end() && mapping->second.memory->device == owner)
                opened.emplace_back(address, size);
    }
    for (const auto &[address, size] : opened) open_to_peers(address, size, owner);
    return CUDA_SUCCESS;
}

CUresult cuCtxDisablePeerAccess(CUcontext context) {
    GMEMFS_SIM_ENTER_WITH_CONTEXT(cuCtxDisablePeerAccess);
    GMEMFS_SIM_NOT_NULL(context);
    const std::lock_guard<std::mutex> hold(process()->mutex);
    const std::uint32_t owner = reinterpret_cast<const Context *>(context)->device;
    const bool was_enabled = process()->peer_users[owner].erase(current_context()->device) != 0;
    return was_enabled ? CUDA_SUCCESS : CUDA_ERROR_PEER_ACCESS_NOT_ENABLED; // what was opened stays open here
}

} // extern "C"

namespace gmemfs::sim {

CUresult open_to_peers(CUdeviceptr address, std::uint64_t size, std::uint32_t owner) {
    std::vector<CUmemAccessDesc> access;
    {
        const std::lock_guard<std::mutex> hold(process()->mutex);
        for (const std::uint32_t user : process()->peer_users[owner]) {
            access.emplace_back();
            access.back().location.type = CU_MEM_LOCATION_TYPE_DEVICE;
            access.back().location.id = static_cast<int>(user);
            access.back().flags = CU_MEM_ACCESS_FLAGS_PROT_READWRITE;
        }
    }
    return access.empty() ? CUDA_SUCCESS : set_access(address, size, access.data(), access.size());
}

} // namespace gmemfs::sim
