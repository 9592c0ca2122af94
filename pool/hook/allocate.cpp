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
    if (is_no_room(error)) return CUDA_ERROR_OUT_OF_MEMORY;
    if (error.driver != 0) return static_cast<CUresult>(error.driver);
    return std::nullopt;
}

using Caller = const void *; // where a hook returns to
#define CALLER __builtin_return_address(0)

std::optional<CUresult> take(CUdeviceptr *address, std::size_t size, Caller caller) {
    ProcessPool *const pool = ProcessPool::get();
    if (pool == nullptr || address == nullptr || size == 0) return std::nullopt;
    const ProcessPool::Here here = pool->here();
    if (here.pool == nullptr) return std::nullopt;
    return answer_of(here.pool->take(size, {here.context, std::nullopt, pool->callers().library_of(caller)}), address);
}

// What is asked for in a stream's order.
struct Ordered {
    CUmemoryPool memory_pool; // null: the one that is chosen for the device
    CUstream stream;
    ProcessPool::NullStream meaning;
    Caller caller;
};

std::optional<CUresult> take_in_order(CUdeviceptr *address, std::size_t size, const Ordered &wanted) {
    ProcessPool *const pool = ProcessPool::get();
    if (pool == nullptr || address == nullptr || size == 0) return std::nullopt;
    const ProcessPool::Here here = pool->here();
    if (here.pool == nullptr || !pool->is_default(here.pool->device().handle, wanted.memory_pool)) return std::nullopt;
    std::optional<DevicePool::User> user = pool->user_of(wanted.stream, wanted.meaning, here.context);
    if (!user) return std::nullopt;
    user->library = pool->callers().library_of(wanted.caller);
    return answer_of(here.pool->take(size, *user), address);
}

// Notes what the driver has given in the pool's place.
CUresult note(Escapes::Kind kind, CUresult result, const CUdeviceptr *address, std::size_t size) {
    ProcessPool *const pool = ProcessPool::get();
    if (pool != nullptr && result == CUDA_SUCCESS && address != nullptr) pool->escapes().made(kind, *address, size);
    return result;
}

// The same in a stream's order: of another pool, or a node of the graph that the stream records.
CUresult note_in_order(const Ordered &wanted, CUresult result, const CUdeviceptr *address, std::size_t size) {
    ProcessPool *const pool = ProcessPool::get();
    if (pool == nullptr || result != CUDA_SUCCESS) return result;
    if (!pool->user_of(wanted.stream, wanted.meaning, pool->here().context))
        Escapes::made_node();
    else
        note(PoolFigures::pools, result, address, size);
    return result;
}

CUresult note_free(CUdeviceptr address, CUresult result) {
    ProcessPool *const pool = ProcessPool::get();
    if (pool != nullptr && result == CUDA_SUCCESS) pool->escapes().gone(address);
    return result;
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
    const std::optional<CUresult> taken = take(address, size, CALLER);
    return taken ? *taken : note(PoolFigures::native, real().cuMemAlloc_v2(address, size), address, size);
}

CUresult cuMemAllocPitch_v2(
    CUdeviceptr *address, std::size_t *pitch, std::size_t width, std::size_t height, unsigned element_size) {
    const bool is_element = element_size == 4 || element_size == 8 || element_size == 16;
    const bool is_sound = pitch != nullptr && is_element && width != 0 && height != 0 && width < SIZE_MAX - kPitch;
    const std::size_t row = is_sound ? round_up(width, kPitch) : 0;
    const bool fits = is_sound && row <= SIZE_MAX / height;
    const std::optional<CUresult> taken = fits ? take(address, row * height, CALLER) : std::nullopt;
    if (!taken)
        return note(PoolFigures::native, real().cuMemAllocPitch_v2(address, pitch, width, height, element_size),
            address, row * height);
    if (*taken == CUDA_SUCCESS) *pitch = row;
    return *taken;
}

CUresult cuMemFree_v2(CUdeviceptr address) {
    ProcessPool *const pool = ProcessPool::get();
    if (pool == nullptr || address == 0) return real().cuMemFree_v2(address);
    const ProcessPool::Here here = pool->here();
    const std::optional<CUresult> given =
        here.context == nullptr ? std::nullopt : give(address, {here.context, std::nullopt});
    return given ? *given : note_free(address, real().cuMemFree_v2(address));
}

CUresult cuMemAllocAsync(CUdeviceptr *address, std::size_t size, CUstream stream) {
    const Ordered wanted = {nullptr, stream, ProcessPool::NullStream::legacy, CALLER};
    const auto taken = take_in_order(address, size, wanted);
    return taken ? *taken : note_in_order(wanted, real().cuMemAllocAsync(address, size, stream), address, size);
}

CUresult cuMemAllocAsync_ptsz(CUdeviceptr *address, std::size_t size, CUstream stream) {
    const Ordered wanted = {nullptr, stream, ProcessPool::NullStream::per_thread, CALLER};
    const auto taken = take_in_order(address, size, wanted);
    return taken ? *taken : note_in_order(wanted, real().cuMemAllocAsync_ptsz(address, size, stream), address, size);
}

CUresult cuMemAllocFromPoolAsync(CUdeviceptr *address, std::size_t size, CUmemoryPool pool, CUstream stream) {
    const Ordered wanted = {pool, stream, ProcessPool::NullStream::legacy, CALLER};
    const auto taken = pool == nullptr ? std::nullopt : take_in_order(address, size, wanted);
    return taken ? *taken
                 : note_in_order(wanted, real().cuMemAllocFromPoolAsync(address, size, pool, stream), address, size);
}

CUresult cuMemAllocFromPoolAsync_ptsz(CUdeviceptr *address, std::size_t size, CUmemoryPool pool, CUstream stream) {
    const Ordered wanted = {pool, stream, ProcessPool::NullStream::per_thread, CALLER};
    const auto taken = pool == nullptr ? std::nullopt : take_in_order(address, size, wanted);
    return taken
               ? *taken
               : note_in_order(wanted, real().cuMemAllocFromPoolAsync_ptsz(address, size, pool, stream), address, size);
}

CUresult cuMemFreeAsync(CUdeviceptr address, CUstream stream) {
    const auto given = give_in_order(address, stream, ProcessPool::NullStream::legacy);
    return given ? *given : note_free(address, real().cuMemFreeAsync(address, stream));
}

CUresult cuMemFreeAsync_ptsz(CUdeviceptr address, CUstream stream) {
    const auto given = give_in_order(address, stream, ProcessPool::NullStream::per_thread);
    return given ? *given : note_free(address, real().cuMemFreeAsync_ptsz(address, stream));
}

} // extern "C"
