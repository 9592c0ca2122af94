// Share: the hooks of legacy IPC handles: a block of the pool is passed on as a ticket for its file (ipc_handle.hpp).
//
// Handles of memory that isn't the pool's are the driver's, made and opened; so are those of events.
#include "pool/hook/process_pool.hpp"
#include "pool/hook/real.hpp"

#include <cstdio>

using namespace gmemfs;
using namespace gmemfs::pool;

namespace {

// Programs are told a number alone, so the first time that this process is refused something it is said in words.
void complain(const Error &error) {
    static std::atomic_flag has_complained;
    if (!has_complained.test_and_set()) std::fprintf(stderr, "gmemfs run: %s\n", error.text().c_str());
}

CUresult result_of(const Error &error) {
    complain(error);
    if (error.driver != 0) return static_cast<CUresult>(error.driver);
    switch (error.code) {
    case EACCES: return CUDA_ERROR_NOT_PERMITTED;
    case ENOTSUP: return CUDA_ERROR_NOT_SUPPORTED;
    case ENODEV: return CUDA_ERROR_INVALID_DEVICE;
    // As the driver says of a process that has died, and of memory that was freed (H200, driver 580).
    case ESRCH: return CUDA_ERROR_INVALID_HANDLE;
    case ENOENT:
    case ESTALE: return CUDA_ERROR_INVALID_VALUE;
    case ENOMEM:
    case EMFILE:
    case EUSERS: return CUDA_ERROR_OUT_OF_MEMORY;
    default: return CUDA_ERROR_MAP_FAILED;
    }
}

// Empty: the driver is to be asked.
std::optional<CUresult> open(CUdeviceptr *address, const CUipcMemHandle &bytes, unsigned flags) {
    const IpcHandle handle = IpcHandle::from(bytes);
    ProcessPool *const pool = handle.is_pools() ? ProcessPool::get() : nullptr;
    if (pool == nullptr) return std::nullopt;
    if (address == nullptr || flags != CU_IPC_MEM_LAZY_ENABLE_PEER_ACCESS) return CUDA_ERROR_INVALID_VALUE;
    const ProcessPool::Here here = pool->here();
    // The driver, too, says that of a handle of this process's own.
    if (here.context == nullptr || pool->exports().is_own(handle)) return CUDA_ERROR_INVALID_CONTEXT;
    const Result<CUdeviceptr> opened = pool->imports().open(handle, here.context);
    if (!opened) return result_of(opened.error());
    *address = *opened;
    return CUDA_SUCCESS;
}

} // namespace

extern "C" {

CUresult open_handle_4010(CUdeviceptr *address, CUipcMemHandle handle, unsigned flags) __asm__("cuIpcOpenMemHandle");

CUresult cuIpcGetMemHandle(CUipcMemHandle *handle, CUdeviceptr address) {
    if (ProcessPool *const pool = ProcessPool::get(); pool != nullptr && handle != nullptr)
        for (const auto &device : pool->devices()) {
            const Result<IpcHandle> made = device->share(address);
            if (!made && made.error().code == ENOENT) continue; // another one's
            if (!made) return result_of(made.error());
            *handle = made->bytes();
            return CUDA_SUCCESS;
        }
    return real().cuIpcGetMemHandle(handle, address);
}

CUresult cuIpcOpenMemHandle_v2(CUdeviceptr *address, CUipcMemHandle handle, unsigned flags) {
    const std::optional<CUresult> opened = open(address, handle, flags);
    return opened ? *opened : real().cuIpcOpenMemHandle_v2(address, handle, flags);
}

CUresult open_handle_4010(CUdeviceptr *address, CUipcMemHandle handle, unsigned flags) {
    const std::optional<CUresult> opened = open(address, handle, flags);
    return opened ? *opened : real().open_handle_4010(address, handle, flags);
}

CUresult cuIpcCloseMemHandle(CUdeviceptr address) {
    if (ProcessPool *const pool = ProcessPool::get(); pool != nullptr) {
        const Result<bool> closed = pool->imports().close(address);
        if (!closed) return result_of(closed.error());
        if (*closed) return CUDA_SUCCESS;
    }
    return real().cuIpcCloseMemHandle(address);
}

} // extern "C"
