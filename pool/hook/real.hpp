// Real: the driver's own functions behind the hooks.
#pragma once

#include <cuda.h>

#if CUDA_VERSION < 12000
#error "the hooks are written for <cuda.h> of 12.0 or later"
#endif

namespace gmemfs::pool {

/// The form of CUDA 11.3, which <cuda.h> no longer declares.
using GetProcAddress11030 = CUresult (*)(const char *name, void **function, int version, cuuint64_t flags);

/// Immutable. A function that the driver lacks is null; only callers that found it by its name would have called it.
struct Real {
#define HOOK(symbol, like, name, version) decltype(&::like) symbol = nullptr;
#define PER_THREAD HOOK
#include "pool/hook/hooks.def"
#undef PER_THREAD
#undef HOOK
    decltype(&::cuIpcOpenMemHandle_v2) open_handle_4010 = nullptr;
    GetProcAddress11030 get_proc_address_11030 = nullptr;
    decltype(&::cuGetProcAddress_v2) get_proc_address_12000 = nullptr;
};

/// Looked up at the first call. Thread-safe.
const Real &real();
/// The hook in place of a function of the driver's; the function itself where there is none.
void *hook_of(void *function);

} // namespace gmemfs::pool
