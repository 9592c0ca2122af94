#include "pool/hook/process_pool.hpp"

#include "pool/hook/settings.hpp"
#include "pool/memory/figures.hpp"

#include <cstdio>

namespace gmemfs::pool {
namespace {

Spill spill_of(const Driver &driver, const DeviceInfo &device) {
    if (settings().spill == Settings::Spill::none) return {};
    Result<Spill> spill = Spill::to_host(driver, device);
    if (spill) return *std::move(spill);
    std::fprintf(stderr, "gmemfs run: --spill=host: %s; nothing is spilled\n", spill.error().text().c_str());
    return {};
}

} // namespace

ProcessPool::ProcessPool(std::unique_ptr<Driver> driver)
    : driver_(std::move(driver)), files_(settings().directory, settings().at_end), limit_(settings().limit) {
    const auto find = [this]<typename Function>(Function &function, const char *name, int version) {
        function = reinterpret_cast<Function>(driver_->find(name, version));
    };
    find(get_device_, "cuCtxGetDevice", 2000);
    find(is_capturing_, "cuStreamIsCapturing", 10000);
    find(get_context_, "cuStreamGetCtx", 9020);
    find(get_default_, "cuDeviceGetDefaultMemPool", 11020);
    find(get_chosen_, "cuDeviceGetMemPool", 11020);
}

Result<ProcessPool *> ProcessPool::create() {
    if (settings().directory.empty()) return Error{EINVAL, 0, "make a pool", "its directory isn't told"};
    std::unique_ptr<Driver> driver = TRY(Driver::open(settings().driver));
    const Result<std::vector<DeviceInfo>> all = query_devices(*driver);
    if (!all) return Error(all.error());
    auto *const made = new ProcessPool(std::move(driver));
    for (const DeviceInfo &device : *all)
        made->devices_.push_back(std::make_unique<DevicePool>(
            *made->driver_, device, made->files_, made->limit_, made->exports_, spill_of(*made->driver_, device)));
    made->imports_ = std::make_unique<Imports>(*made->driver_, *all, settings().directory);
    own_figures().limit = made->limit_.bytes();
    return made;
}

ProcessPool *ProcessPool::get() {
    static ProcessPool *const only = []() -> ProcessPool * {
        const Result<ProcessPool *> made = create();
        if (made) return *made;
        std::fprintf(stderr, "gmemfs run: %s; this process allocates without a pool\n", made.error().text().c_str());
        return nullptr;
    }();
    return only;
}

DevicePool *ProcessPool::current_pool() const {
    CUdevice device = 0;
    if (get_device_ == nullptr || get_device_(&device) != CUDA_SUCCESS) return nullptr;
    for (const auto &pool : devices_)
        if (pool->device().handle == device) return pool.get();
    return nullptr;
}

ProcessPool::Here ProcessPool::here() const {
    Here here;
    const bool is_known = driver_->cuCtxGetCurrent(&here.context) == CUDA_SUCCESS && here.context != nullptr;
    if (is_known) here.pool = current_pool();
    return here;
}

DevicePool *ProcessPool::pool_of(CUcontext context) const {
    if (driver_->cuCtxPushCurrent(context) != CUDA_SUCCESS) return nullptr;
    DevicePool *const pool = current_pool();
    CUcontext popped = nullptr;
    driver_->cuCtxPopCurrent(&popped);
    return pool;
}

bool ProcessPool::is_default(CUdevice device, CUmemoryPool memory_pool) const {
    if (get_default_ == nullptr || get_chosen_ == nullptr) return false;
    CUmemoryPool usual = nullptr;
    if (memory_pool == nullptr && get_chosen_(&memory_pool, device) != CUDA_SUCCESS) return false;
    return get_default_(&usual, device) == CUDA_SUCCESS && usual == memory_pool;
}

// A thread's own null stream has no name that tells it from another thread's: what it frees waits for its context.
std::optional<DevicePool::User> ProcessPool::user_of(CUstream stream, NullStream meaning, CUcontext current) const {
    CUstream asked = stream == nullptr && meaning == NullStream::per_thread ? CU_STREAM_PER_THREAD : stream;
    CUstreamCaptureStatus status = CU_STREAM_CAPTURE_STATUS_NONE;
    if (is_capturing_ == nullptr || is_capturing_(asked, &status) != CUDA_SUCCESS ||
        status != CU_STREAM_CAPTURE_STATUS_NONE)
        return std::nullopt;
    if (asked == CU_STREAM_PER_THREAD) return DevicePool::User{current, std::nullopt};
    if (asked == CU_STREAM_LEGACY) asked = nullptr;
    CUcontext context = current;
    if (asked != nullptr && get_context_ != nullptr && get_context_(asked, &context) != CUDA_SUCCESS)
        return std::nullopt;
    return DevicePool::User{context, asked};
}

std::optional<DevicePool::Block> ProcessPool::find(CUdeviceptr address) const {
    for (const auto &pool : devices_)
        if (const std::optional<DevicePool::Block> block = pool->find(address)) return block;
    const std::optional<Imports::Block> other = imports_->find(address);
    if (!other) return std::nullopt;
    return DevicePool::Block{other->address, other->size, other->context, other->serial, false};
}

} // namespace gmemfs::pool
