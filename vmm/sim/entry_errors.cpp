// Entry, errors: the names and words of results, for those that the simulator gives.
#include <cuda.h>

extern "C" {

CUresult cuGetErrorName(CUresult result, const char **name) {
    switch (result) {
#define NAMED(value)                                                                                                   \
    case value: *name = #value; return CUDA_SUCCESS;
        NAMED(CUDA_SUCCESS)
        NAMED(CUDA_ERROR_INVALID_VALUE)
        NAMED(CUDA_ERROR_OUT_OF_MEMORY)
        NAMED(CUDA_ERROR_NOT_INITIALIZED)
        NAMED(CUDA_ERROR_DEVICE_UNAVAILABLE)
        NAMED(CUDA_ERROR_NO_DEVICE)
        NAMED(CUDA_ERROR_INVALID_DEVICE)
        NAMED(CUDA_ERROR_INVALID_CONTEXT)
        NAMED(CUDA_ERROR_MAP_FAILED)
        NAMED(CUDA_ERROR_ALREADY_MAPPED)
        NAMED(CUDA_ERROR_ECC_UNCORRECTABLE)
        NAMED(CUDA_ERROR_NVLINK_UNCORRECTABLE)
        NAMED(CUDA_ERROR_INVALID_HANDLE)
        NAMED(CUDA_ERROR_NOT_FOUND)
        NAMED(CUDA_ERROR_NOT_READY)
        NAMED(CUDA_ERROR_ILLEGAL_ADDRESS)
        NAMED(CUDA_ERROR_LAUNCH_OUT_OF_RESOURCES)
        NAMED(CUDA_ERROR_LAUNCH_FAILED)
        NAMED(CUDA_ERROR_LAUNCH_TIMEOUT)
        NAMED(CUDA_ERROR_OPERATING_SYSTEM)
        NAMED(CUDA_ERROR_NOT_PERMITTED)
        NAMED(CUDA_ERROR_NOT_SUPPORTED)
        NAMED(CUDA_ERROR_SYSTEM_NOT_READY)
        NAMED(CUDA_ERROR_EXTERNAL_DEVICE)
        NAMED(CUDA_ERROR_UNKNOWN)
#undef NAMED
    default: *name = nullptr; return CUDA_ERROR_INVALID_VALUE;
    }
}

CUresult cuGetErrorString(CUresult result, const char **words) {
    const char *name = nullptr;
    *words = nullptr;
    if (cuGetErrorName(result, &name) != CUDA_SUCCESS) return CUDA_ERROR_INVALID_VALUE;
    *words = "from the gmemfs simulator";
    return CUDA_SUCCESS;
}

} // extern "C"
