// Lookup: a caller of cuGetProcAddress gets the function that the driver has chosen, or the hook in its place.
#include "pool/hook/real.hpp"

using namespace gmemfs::pool;

extern "C" {

CUresult get_proc_address_11030(const char *name, void **function, int version, cuuint64_t flags) __asm__(
    "cuGetProcAddress");

CUresult cuGetProcAddress_v2(
    const char *name, void **function, int version, cuuint64_t flags, CUdriverProcAddressQueryResult *status) {
    const CUresult result = real().get_proc_address_12000(name, function, version, flags, status);
    if (result == CUDA_SUCCESS && function != nullptr) *function = hook_of(*function);
    return result;
}

CUresult get_proc_address_11030(const char *name, void **function, int version, cuuint64_t flags) {
    const CUresult result = real().get_proc_address_11030(name, function, version, flags);
    if (result == CUDA_SUCCESS && function != nullptr) *function = hook_of(*function);
    return result;
}

} // extern "C"
