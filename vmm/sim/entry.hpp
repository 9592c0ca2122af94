// Entry: what every exported function does first: count the call, apply the fault plan, look at the context.
#pragma once

#include "vmm/sim/process.hpp"

#if CUDA_VERSION < 12050
struct CUctxCreateParams; // never looked into
#endif

namespace gmemfs::sim {

/// NOT_INITIALIZED before cuInit and after fork; else what the plan has for this call.
CUresult enter(const char *function);
/// The same, and the error of the calling thread's context where it is lost. For what needs no context.
CUresult enter_unless_lost(const char *function);
/// The same, and INVALID_CONTEXT without a current context.
CUresult enter_with_context(const char *function);
/// The error of the calling thread's context; CUDA_SUCCESS where it has none. What gives something back does so, and
/// then says this.
CUresult lost();
/// What a call that waits returns: the plan's fault after the wait, so that nothing is left running behind it.
CUresult leave_wait(const char *function);

#define GMEMFS_SIM_ENTER(name)                                                                                         \
    if (const CUresult refused = ::gmemfs::sim::enter(#name); refused != CUDA_SUCCESS) return refused
#define GMEMFS_SIM_ENTER_UNLESS_LOST(name)                                                                             \
    if (const CUresult refused = ::gmemfs::sim::enter_unless_lost(#name); refused != CUDA_SUCCESS) return refused
#define GMEMFS_SIM_ENTER_WITH_CONTEXT(name)                                                                            \
    if (const CUresult refused = ::gmemfs::sim::enter_with_context(#name); refused != CUDA_SUCCESS) return refused
#define GMEMFS_SIM_NOT_NULL(pointer)                                                                                   \
    if ((pointer) == nullptr) return CUDA_ERROR_INVALID_VALUE

} // namespace gmemfs::sim

extern "C" {
// Forms that <cuda.h> declares in some versions only, and that peers built with others ask for.
CUresult cuCtxCreate_v2(CUcontext *context, unsigned flags, CUdevice device);
CUresult cuCtxCreate_v4(CUcontext *context, CUctxCreateParams *params, unsigned flags, CUdevice device);
}
