// Allocate: the hooks by which a program gets memory and gives it back.
//
// Where the pool can't serve a request for a reason of its own, the driver does.
#include "pool/hook/process_pool.hpp"
#include "pool/hook/real.hpp"
#include "vmm/base/units.hpp"

using namespace gmemfs;
using namespace gmemfs::pool;

namespace {

constexpr std::size_t kPitch = 512; // rows begin at multiples of this (H200, driver 580)

// Empty: the driver is to be asked.
std::optional<CUresult> answer_of(const Result<CUdeviceptr> &taken, CUdeviceptr *address) {
    if (taken) {
        *address = *taken;
        return CUDA_SUCCESS;
    }
    const Error &error = taken.error();
    if (error.code == ENOSPC || error.code == EDQUOT) return CUDA_ERROR_OUT_OF_MEMORY;
    if (error.driver != 0) return static_cast<CUresult>(error.driver);
    return std::nullopt;
}

std::optional<CUresult> take(CUdeviceptr *address, std::size_t size) {
    ProcessPool *const pool = ProcessPool::get();
    if (pool == nullptr || address == nullptr || size == 0) return std::nullopt;
    const ProcessPool::Here here = pool->here();
    if (here.pool == nullptr) return std::nullopt;
    return answer_of(here.pool->take(size, {here.context, std::nullopt}), address);
}

// `memory_pool`: null for the one that is chosen for the device.
std::optional<CUresult> take_in_order(CUdeviceptr *address, std::size_t size, CUmemoryPool memory_pool, CUstream stream,
    ProcessPool::NullStream meaning) {
    ProcessPool *const pool = ProcessPool::get();
    if (pool == nullptr || address == nullptr || size == 0) return std::nullopt;
    const ProcessPool::Here here = pool->here();
    if (here.pool == nullptr || !pool->is_default(here.pool->device().handle, memory_pool)) return std::nullopt;
    const std::optional<DevicePool::User> user = pool->user_of(stream, meaning, here.context);
    if (!user) return std::nullopt;
    return answer_of(here.pool->take(size, *user), address);
}

// Empty: it is none of the pool's.
std::optional<CUresult> give(CUdeviceptr address, const DevicePool::User &user) {
    for (const auto &pool : ProcessPool::get()->devices()) {
        const Result<DevicePool::Given> given = pool->give(address, user);
        if (!given) return given.error().driver != 0 ? static_cast<CUresult>(given.error().driver) : CUDA_SUCCESS;
        if (*given == DevicePool::Given::done) return CUDA_SUCCESS;
    }
    return std::nullopt;
}

std::optional<CUresult> give_in_order(CUdeviceptr address, CUstream stream, ProcessPool::NullStream meaning) {
    ProcessPool *const pool = ProcessPool::get();
    if (pool == nullptr || address == 0) return std::nullopt;
    const std::optional<DevicePool::User> user = pool->user_of(stream, meaning, pool->here().context);
    if (!user || user->context == nullptr) return std::nullopt;
    return give(address, *user);
}

} // namespace

extern "C" {

CUresult cuMemAlloc_v2(CUdeviceptr *address, std::size_t size) {
    const std::optional<CUresult> taken = take(address, size);
    return taken ? *taken : real().cuMemAlloc_v2(address, size);
}

CUresult cuMemAllocPitch_v2(
    CUdeviceptr *address, std::size_t *pitch, std::size_t width, std::size_t height, unsigned element_size) {
    const bool is_element = element_size == 4 || element_size == 8 || element_size == 16;
    const bool is_sound = pitch != nullptr && is_element && width != 0 && height != 0 && width < SIZE_MAX - kPitch;
    const std::size_t row = is_sound ? round_up(width, kPitch) : 0;
    const bool fits = is_sound && row <= SIZE_MAX / height;
    const std::optional<CUresult> taken = fits ? take(address, row * height) : std::nullopt;
    if (!taken) return real().cuMemAllocPitch_v2(address, pitch, width, height, element_size);
    if (*taken == CUDA_SUCCESS) *pitch = row;
    return *taken;
}

CUresult cuMemFree_v2(CUdeviceptr address) {
    ProcessPool *const pool = ProcessPool::get();
    if (pool == nullptr || address == 0) return real().cuMemFree_v2(address);
    const ProcessPool::Here here = pool->here();
    const std::optional<CUresult> given =
        here.context == nullptr ? std::nullopt : give(address, {here.context, std::nullopt});
    return given ? *given : real().cuMemFree_v2(address);
}

CUresult cuMemAllocAsync(CUdeviceptr *address, std::size_t size, CUstream stream) {
    const auto taken = take_in_order(address, size, nullptr, stream, ProcessPool::NullStream::legacy);
    return taken ? *taken : real().cuMemAllocAsync(address, size, stream);
}

CUresult cuMemAllocAsync_ptsz(CUdeviceptr *address, std::size_t size, CUstream stream) {
    const auto taken = take_in_order(address, size, nullptr, stream, ProcessPool::NullStream::per_thread);
    return taken ? *taken : real().cuMemAllocAsync_ptsz(address, size, stream);
}

CUresult cuMemAllocFromPoolAsync(CUdeviceptr *address, std::size_t size, CUmemoryPool pool, CUstream stream) {
    const auto taken =
        pool == nullptr ? std::nullopt : take_in_order(address, size, pool, stream, ProcessPool::NullStream::legacy);
    return taken ? *taken : real().cuMemAllocFromPoolAsync(address, size, pool, stream);
}

CUresult cuMemAllocFromPoolAsync_ptsz(CUdeviceptr *address, std::size_t size, CUmemoryPool pool, CUstream stream) {
    const auto taken = pool == nullptr
                           ? std::nullopt
                           : take_in_order(address, size, pool, stream, ProcessPool::NullStream::per_thread);
    return taken ? *taken : real().cuMemAllocFromPoolAsync_ptsz(address, size, pool, stream);
}

CUresult cuMemFreeAsync(CUdeviceptr address, CUstream stream) {
    const auto given = give_in_order(address, stream, ProcessPool::NullStream::legacy);
    return given ? *given : real().cuMemFreeAsync(address, stream);
}

CUresult cuMemFreeAsync_ptsz(CUdeviceptr address, CUstream stream) {
    const auto given = give_in_order(address, stream, ProcessPool::NullStream::per_thread);
    return given ? *given : real().cuMemFreeAsync_ptsz(address, stream);
}

} // extern "C"
