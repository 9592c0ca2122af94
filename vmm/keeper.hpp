// Keeper: creates the memory of extents, holds it, and hands out its handles; the one door to cuMemCreate.
//
// It needs cuInit and no context: a process of its own is to stand behind this interface, so that extents outlive a
// crash of the server. So what crosses it is an id, a size or a handle, and map() is the only step that happens on the
// caller's side. Today both sides are one process.
#pragma once

#include "vmm/base/lock.hpp"
#include "vmm/mapping.hpp"

#include <cstdint>
#include <memory>
#include <unordered_map>

namespace gmemfs {

/// Thread-safe. Outlives every Extent that it made.
class Keeper {
public:
    using Id = std::uint64_t; ///< never used twice

    Keeper(const Driver &driver, HandlePolicy policy) : driver_(driver), policy_(policy) {}

    /// Creates memory on `device`; `size` is a multiple of the granularity. Errors: see Allocation::create.
    Result<Id> create(const DeviceInfo &device, std::uint64_t size) EXCLUDES(mutex_);
    /// Maps the memory into this process, whole.
    Result<Mapping> map(Id id, const DeviceInfo &device, std::uint64_t size) EXCLUDES(mutex_);
    /// Gives the keeper's hold on the memory back. Mappings and peers keep theirs.
    void release(Id id) EXCLUDES(mutex_);

    bool has_fabric(Id id) EXCLUDES(mutex_);
    Result<FabricHandle> export_fabric(Id id) EXCLUDES(mutex_); ///< errors: see Allocation
    Result<Fd> export_fd(Id id) EXCLUDES(mutex_);

    std::size_t count() EXCLUDES(mutex_); ///< allocations held

private:
    std::shared_ptr<const Allocation> find(Id id) EXCLUDES(mutex_);

    const Driver &driver_;
    const HandlePolicy policy_;
    Mutex mutex_;
    std::unordered_map<Id, std::shared_ptr<const Allocation>> allocations_ GUARDED_BY(mutex_);
    Id next_ GUARDED_BY(mutex_) = 1;
};

} // namespace gmemfs
