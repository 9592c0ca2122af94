// Entry: what every exported function does first; the start; the search for functions by name and version.
#include "vmm/sim/entry.hpp"

#include "vmm/sim/fault.hpp"
#include "vmm/sim/live_count.hpp"

#include <algorithm>
#include <cerrno>
#include <cstdio>
#include <string_view>

using namespace gmemfs::sim;

namespace gmemfs::sim {
namespace {

// A sticky fault costs the context that the call uses, but not one of another device than the call is about.
CUresult apply_plan(const char *function, std::optional<std::uint32_t> device, Context *context) {
    if (current_context() != nullptr) take_watched_plan();
    const CUresult fault = planned_fault(function, device, *process()->machine);
    const bool is_hit = context != nullptr && (!device || *device == context->device);
    if (is_sticky(fault) && is_hit) context->failed.store(fault);
    return fault;
}

} // namespace

CUresult enter(const char *function) {
    return process() == nullptr ? CUDA_ERROR_NOT_INITIALIZED : apply_plan(function, {}, current_context());
}

CUresult enter_for(const char *function, long long device) {
    if (process() == nullptr) return CUDA_ERROR_NOT_INITIALIZED;
    const bool is_one = device >= 0 && device < static_cast<long long>(process()->device_sizes.size());
    return is_one ? apply_plan(function, static_cast<std::uint32_t>(device), current_context()) : enter(function);
}

CUresult enter_for(const char *function, const CUmemLocation &location) {
    return enter_for(function, location.type == CU_MEM_LOCATION_TYPE_DEVICE ? location.id : -1);
}

CUresult enter_with_context(const char *function) {
    const Context *const context = process() == nullptr ? nullptr : current_context();
    const CUresult refused = context == nullptr ? enter(function) : enter_for(function, context->device);
    if (refused != CUDA_SUCCESS) return refused;
    if (current_context() == nullptr) return CUDA_ERROR_INVALID_CONTEXT;
    if (current_context()->retain_count.load() == 0) return CUDA_ERROR_CONTEXT_IS_DESTROYED;
    return static_cast<CUresult>(current_context()->failed.load());
}

CUresult loss_of(std::uint32_t device) { return static_cast<CUresult>(process()->machine->loss_of(device)); }

CUresult leave_wait(const char *function, Context &context) { return apply_plan(function, context.device, &context); }

} // namespace gmemfs::sim

extern "C" {

// The form of CUDA 11.3, which <cuda.h> no longer declares under this name.
__attribute__((visibility("default"))) CUresult get_proc_address_11030(
    const char *name, void **function, int version, cuuint64_t flags) __asm__("cuGetProcAddress");

} // extern "C"

namespace {

struct Function {
    std::string_view name;
    int since; // the version that brought this form
    void *address;
    void *per_thread = nullptr; // the form whose null stream is the thread's own; null: it has none
};
const Function kFunctions[] = {
#define REQUIRED(name, since) {#name, since, reinterpret_cast<void *>(&::name)},
#define OPTIONAL(name, since) {#name, since, reinterpret_cast<void *>(&::name)},
#define PEER(name, since) {#name, since, reinterpret_cast<void *>(&::name)},
#include "vmm/device/driver_entries.def"
#include "vmm/sim/peer_entries.def"
#undef REQUIRED
#undef OPTIONAL
#undef PEER
    // After the rows of the same names above, which these take the place of.
    {"cuMemAllocAsync", 11020, reinterpret_cast<void *>(&::cuMemAllocAsync),
        reinterpret_cast<void *>(&::cuMemAllocAsync_ptsz)},
    {"cuMemAllocFromPoolAsync", 11020, reinterpret_cast<void *>(&::cuMemAllocFromPoolAsync),
        reinterpret_cast<void *>(&::cuMemAllocFromPoolAsync_ptsz)},
    {"cuMemFreeAsync", 11020, reinterpret_cast<void *>(&::cuMemFreeAsync),
        reinterpret_cast<void *>(&::cuMemFreeAsync_ptsz)},
    {"cuCtxCreate", 3020, reinterpret_cast<void *>(&::cuCtxCreate_v2)},
    {"cuCtxCreate", 12050, reinterpret_cast<void *>(&::cuCtxCreate_v4)},
    {GMEMFS_COPY_BATCH, GMEMFS_COPY_BATCH_SINCE, reinterpret_cast<void *>(&::copy_batch_13000)},
    {"cuGetProcAddress", 11030, reinterpret_cast<void *>(&::get_proc_address_11030)},
    {"cuGetProcAddress", 12000, reinterpret_cast<void *>(&::cuGetProcAddress_v2)},
};

// Functions that CUDA 7.0 gave a form for a thread's own stream; a caller of an older version that asks for that gets
// none at all (H200, driver 580).
constexpr int kOwnStreams = 7000;
constexpr std::string_view kWithOwnStream[] = {"cuEventRecord", "cuLaunchKernel", "cuMemcpy", "cuMemcpyAsync",
    "cuMemcpyDtoD", "cuMemcpyDtoDAsync", "cuMemcpyDtoH", "cuMemcpyDtoHAsync", "cuMemcpyHtoD", "cuMemcpyHtoDAsync",
    "cuMemcpyPeerAsync", "cuMemsetD32", "cuMemsetD32Async", "cuMemsetD8", "cuMemsetD8Async", "cuStreamQuery",
    "cuStreamSynchronize", "cuStreamWaitEvent"};

// The newest form that is not newer than `version`.
CUdriverProcAddressQueryResult search(std::string_view name, int version, cuuint64_t flags, void **function) {
    const bool is_per_thread = (flags & CU_GET_PROC_ADDRESS_PER_THREAD_DEFAULT_STREAM) != 0;
    auto answer = CU_GET_PROC_ADDRESS_SYMBOL_NOT_FOUND;
    const bool is_too_old = is_per_thread && version < kOwnStreams && std::ranges::count(kWithOwnStream, name) != 0;
    int newest = 0;
    for (const Function &known : kFunctions) {
        if (known.name != name || known.since > driver_version()) continue;
        if (answer == CU_GET_PROC_ADDRESS_SYMBOL_NOT_FOUND) answer = CU_GET_PROC_ADDRESS_VERSION_NOT_SUFFICIENT;
        if (known.since > version || known.since < newest || is_too_old) continue;
        newest = known.since;
        *function = is_per_thread && known.per_thread != nullptr ? known.per_thread : known.address;
        answer = CU_GET_PROC_ADDRESS_SUCCESS;
    }
    return answer;
}

} // namespace

extern "C" {

__attribute__((visibility("default"))) int gmemfs_sim_set_faults(const char *plan) {
    std::string why = "no plan";
    if (plan != nullptr && set_plan(plan, why)) return 0;
    std::fprintf(stderr, "gmemfs simulator: %s\n", why.c_str());
    return EINVAL;
}

__attribute__((visibility("default"))) unsigned long gmemfs_sim_call_count() { return call_count(); }

__attribute__((visibility("default"))) unsigned long gmemfs_sim_live_count(const char *what) {
    return live_count(what == nullptr ? "" : what);
}

CUresult cuInit(unsigned flags) {
    if (flags != 0) return CUDA_ERROR_INVALID_VALUE;
    if (const CUresult result = start_process(); result != CUDA_SUCCESS) return result;
    return planned_fault("cuInit", {}, *process()->machine);
}

CUresult cuDriverGetVersion(int *version) {
    GMEMFS_SIM_NOT_NULL(version);
    *version = driver_version();
    return CUDA_SUCCESS;
}

// An unknown name is a null pointer and success, as <cuda.h> says of it.
CUresult cuGetProcAddress_v2(
    const char *name, void **function, int version, cuuint64_t flags, CUdriverProcAddressQueryResult *status) {
    GMEMFS_SIM_NOT_NULL(name);
    GMEMFS_SIM_NOT_NULL(function);
    *function = nullptr;
    if (driver_version() < 12000) return CUDA_ERROR_NOT_FOUND; // which brought this form; dlsym can't hide it
    if (version > driver_version()) return CUDA_ERROR_INVALID_VALUE;
    const CUdriverProcAddressQueryResult answer = search(name, version, flags, function);
    if (status != nullptr) *status = answer;
    return CUDA_SUCCESS;
}

CUresult get_proc_address_11030(const char *name, void **function, int version, cuuint64_t flags) {
    GMEMFS_SIM_NOT_NULL(name);
    GMEMFS_SIM_NOT_NULL(function);
    *function = nullptr;
    if (version > driver_version()) return CUDA_ERROR_INVALID_VALUE;
    return search(name, version, flags, function) == CU_GET_PROC_ADDRESS_SUCCESS ? CUDA_SUCCESS : CUDA_ERROR_NOT_FOUND;
}

} // extern "C"
