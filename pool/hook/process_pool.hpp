// ProcessPool: the pool of this process: one DevicePool a device, and what of the driver they need.
#pragma once

#include "pool/memory/callers.hpp"
#include "pool/memory/device_pool.hpp"
#include "pool/memory/escapes.hpp"
#include "pool/memory/imports.hpp"
#include "pool/memory/own_allocations.hpp"

#include <memory>
#include <optional>
#include <vector>

namespace gmemfs::pool {

/// Thread-safe. Made at the first allocation, and never destroyed: programs free memory while they end.
class ProcessPool {
public:
    /// Null: there is none, because the driver is too old, or this process isn't run by `gmemfs run`. That is said on
    /// standard error, once.
    static ProcessPool *get();

    /// The pool of the calling thread's device, and its context. Null: there is no context.
    struct Here {
        DevicePool *pool = nullptr;
        CUcontext context = nullptr;
    };
    Here here() const;
    /// The pool of another context's device; null: it has none.
    DevicePool *pool_of(CUcontext context) const;
    /// Whether `memory_pool` (null: the one that is chosen for `device`) is the device's default one.
    bool is_default(CUdevice device, CUmemoryPool memory_pool) const;
    /// For whom memory is that is ordered by a stream; empty: the stream records a graph, or is none.
    enum class NullStream { legacy, per_thread };
    std::optional<DevicePool::User> user_of(CUstream stream, NullStream meaning, CUcontext current) const;

    const std::vector<std::unique_ptr<DevicePool>> &devices() const { return devices_; }
    /// Also a block of another process that is open here.
    std::optional<DevicePool::Block> find(CUdeviceptr address) const;
    const Driver &driver() const { return *driver_; }
    ExtentFiles &files() { return files_; }
    Limit &limit() { return limit_; }
    OwnAllocations &own() { return own_; }
    Callers &callers() { return callers_; }
    Escapes &escapes() { return escapes_; }
    Exports &exports() { return exports_; }
    Imports &imports() { return *imports_; }

private:
    DevicePool *current_pool() const;
    explicit ProcessPool(std::unique_ptr<Driver> driver);
    static Result<ProcessPool *> create();

    const std::unique_ptr<Driver> driver_;
    ExtentFiles files_;
    Limit limit_;
    OwnAllocations own_;
    Callers callers_;
    Escapes escapes_;
    Exports exports_;
    std::unique_ptr<Imports> imports_;
    std::vector<std::unique_ptr<DevicePool>> devices_; // by ordinal
    decltype(&::cuCtxGetDevice) get_device_ = nullptr;
    decltype(&::cuStreamIsCapturing) is_capturing_ = nullptr;
    decltype(&::cuStreamGetCtx) get_context_ = nullptr; // null, as those below: an older driver
    decltype(&::cuDeviceGetDefaultMemPool) get_default_ = nullptr;
    decltype(&::cuDeviceGetMemPool) get_chosen_ = nullptr;
};

} // namespace gmemfs::pool
