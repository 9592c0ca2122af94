// Driver errno: the one table from CUresult to errno. docs/errors.md shows it to users; a test holds the two together.
#include "vmm/device/driver.hpp"

namespace gmemfs {

// Sticky by <cuda.h>'s own words ("leaves the process in an inconsistent state ... must be terminated"), and three more
// by our choice: ECC_UNCORRECTABLE, NVLINK_UNCORRECTABLE and ASSERT, after which no content can be trusted.
// GCC and clang warn of an enumerator that is missing only where there is no default, and a newer driver returns values
// that this <cuda.h> doesn't know: so there is one.
DriverErrno driver_errno(CUresult result) {
    switch (result) {
    case CUDA_SUCCESS: return {0, false};
    case CUDA_ERROR_OUT_OF_MEMORY: return {ENOSPC, false};
    case CUDA_ERROR_INVALID_VALUE: return {EINVAL, false};
    case CUDA_ERROR_NOT_INITIALIZED:
    case CUDA_ERROR_DEINITIALIZED: return {ESHUTDOWN, false};
    case CUDA_ERROR_STUB_LIBRARY:
    case CUDA_ERROR_CALL_REQUIRES_NEWER_DRIVER:
    case CUDA_ERROR_SYSTEM_DRIVER_MISMATCH:
    case CUDA_ERROR_COMPAT_NOT_SUPPORTED_ON_DEVICE: return {ENOSYS, false};
    case CUDA_ERROR_NO_DEVICE:
    case CUDA_ERROR_INVALID_DEVICE: return {ENODEV, false};
    case CUDA_ERROR_DEVICE_UNAVAILABLE:
    case CUDA_ERROR_SYSTEM_NOT_READY:
    case CUDA_ERROR_MPS_SERVER_NOT_READY: return {EBUSY, false};
    case CUDA_ERROR_DEVICE_NOT_LICENSED:
    case CUDA_ERROR_NOT_PERMITTED: return {EPERM, false};
    case CUDA_ERROR_NOT_SUPPORTED: return {ENOTSUP, false};
    case CUDA_ERROR_INVALID_HANDLE: return {EBADF, false};
    case CUDA_ERROR_INVALID_IMAGE:
    case CUDA_ERROR_INVALID_PTX:
    case CUDA_ERROR_NO_BINARY_FOR_GPU:
    case CUDA_ERROR_UNSUPPORTED_PTX_VERSION:
    case CUDA_ERROR_JIT_COMPILER_NOT_FOUND:
    case CUDA_ERROR_JIT_COMPILATION_DISABLED: return {ENOEXEC, false};
    case CUDA_ERROR_NOT_FOUND:
    case CUDA_ERROR_FILE_NOT_FOUND:
    case CUDA_ERROR_SHARED_OBJECT_SYMBOL_NOT_FOUND:
    case CUDA_ERROR_SHARED_OBJECT_INIT_FAILED: return {ENOENT, false};
    case CUDA_ERROR_ALREADY_MAPPED:
    case CUDA_ERROR_ALREADY_ACQUIRED:
    case CUDA_ERROR_HOST_MEMORY_ALREADY_REGISTERED: return {EBUSY, false};
    case CUDA_ERROR_MAP_FAILED: return {ENOMEM, false};
    case CUDA_ERROR_TIMEOUT: return {ETIMEDOUT, false};
    case CUDA_ERROR_MPS_CONNECTION_FAILED:
    case CUDA_ERROR_MPS_RPC_FAILURE: return {ECONNREFUSED, false};
    case CUDA_ERROR_ILLEGAL_ADDRESS:
    case CUDA_ERROR_LAUNCH_FAILED:
    case CUDA_ERROR_LAUNCH_TIMEOUT:
    case CUDA_ERROR_HARDWARE_STACK_ERROR:
    case CUDA_ERROR_ILLEGAL_INSTRUCTION:
    case CUDA_ERROR_MISALIGNED_ADDRESS:
    case CUDA_ERROR_INVALID_ADDRESS_SPACE:
    case CUDA_ERROR_INVALID_PC:
    case CUDA_ERROR_EXTERNAL_DEVICE:
    case CUDA_ERROR_MPS_CLIENT_TERMINATED:
    case CUDA_ERROR_ECC_UNCORRECTABLE:
    case CUDA_ERROR_NVLINK_UNCORRECTABLE:
#if CUDA_VERSION >= 12080
    case CUDA_ERROR_TENSOR_MEMORY_LEAK:
    case CUDA_ERROR_CONTAINED:
#endif
    case CUDA_ERROR_ASSERT: return {EIO, true};
    default: return {EIO, false};
    }
}

} // namespace gmemfs
