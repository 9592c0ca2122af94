// Entry: what every exported function does first: count the call, apply the fault plan, check the context.
#pragma once

#include "vmm/device/copy_batch.h"
#include "vmm/sim/process.hpp"

#if CUDA_VERSION < 12050
struct CUctxCreateParams; // never looked into
#endif

namespace gmemfs::sim {

/// NOT_INITIALIZED before cuInit and after fork; else what the plan has for this call, which is about no device.
CUresult enter(const char *function);
/// The same, of a call about the device with this number; what is none is left to the function.
CUresult enter_for(const char *function, long long device);
/// The same, of a call about the device that memory is on, where the number isn't kHost.
CUresult enter_for(const char *function, const CUmemLocation &location);
/// The same, and INVALID_CONTEXT without a current context, or its error where it is lost. What needs no context goes
/// on in a process that has lost one: memory is made, mapped, exported and given back (H200, driver 580).
CUresult enter_with_context(const char *function);
/// What every call about a lost device fails with; CUDA_SUCCESS where the device isn't lost.
CUresult loss_of(std::uint32_t device);
/// What a call that waits for the context's work returns: the plan's fault after the wait, so that nothing is left
/// running behind it.
CUresult leave_wait(const char *function, Context &context);

#define GMEMFS_SIM_ENTER(name)                                                                                         \
    if (const CUresult refused = ::gmemfs::sim::enter(#name); refused != CUDA_SUCCESS) return refused
#define GMEMFS_SIM_ENTER_FOR(name, device)                                                                             \
    if (const CUresult refused = ::gmemfs::sim::enter_for(#name, device); refused != CUDA_SUCCESS) return refused
#define GMEMFS_SIM_ENTER_WITH_CONTEXT(name)                                                                            \
    if (const CUresult refused = ::gmemfs::sim::enter_with_context(#name); refused != CUDA_SUCCESS) return refused
#define GMEMFS_SIM_NOT_NULL(pointer)                                                                                   \
    if ((pointer) == nullptr) return CUDA_ERROR_INVALID_VALUE

} // namespace gmemfs::sim

extern "C" {
// Forms that <cuda.h> declares in some versions only, and that peers built with others ask for.
CUresult cuCtxCreate_v2(CUcontext *context, unsigned flags, CUdevice device);
CUresult copy_batch_13000(CUdeviceptr *targets, CUdeviceptr *sources, std::size_t *sizes, std::size_t count,
    gmemfs_copy_attributes *attributes, std::size_t *firsts, std::size_t attribute_count,
    CUstream stream) __asm__("cuMemcpyBatchAsync_v2");
CUresult cuCtxCreate_v4(CUcontext *context, CUctxCreateParams *params, unsigned flags, CUdevice device);
CUresult cuMemAllocAsync_ptsz(CUdeviceptr *address, std::size_t size, CUstream stream);
CUresult cuMemAllocFromPoolAsync_ptsz(CUdeviceptr *address, std::size_t size, CUmemoryPool pool, CUstream stream);
CUresult cuMemFreeAsync_ptsz(CUdeviceptr address, CUstream stream);
}
