// Entry, errors: the names and words of results, for those that the simulator gives.
#include <cuda.h>

extern "C" {

CUresult cuGetErrorName(CUresult result, const char **name) {
    if (name == nullptr) return CUDA_ERROR_INVALID_VALUE;
    *name = nullptr;
    switch (result) {
    case CUDA_SUCCESS: *name = "CUDA_SUCCESS"; break;
#define RESULT(code, sticky)                                                                                           \
    case CUDA_ERROR_##code:                                                                                            \
        *name = "CUDA_ERROR_" #code;                                                                                   \
        break;
#include "vmm/sim/results.def"
#undef RESULT
    default: break;
    }
    return *name != nullptr ? CUDA_SUCCESS : CUDA_ERROR_INVALID_VALUE;
}

CUresult cuGetErrorString(CUresult result, const char **words) {
    if (words == nullptr) return CUDA_ERROR_INVALID_VALUE;
    const char *name = nullptr;
    const CUresult known = cuGetErrorName(result, &name);
    *words = known == CUDA_SUCCESS ? "from the gmemfs simulator" : nullptr;
    return known;
}

} // extern "C"
