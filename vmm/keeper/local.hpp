// LocalKeeper: a keeper in the caller's own process; the keeper's process is built on it, and tests use it.
#pragma once

#include "vmm/base/lock.hpp"
#include "vmm/memory/keeper.hpp"

#include <atomic>
#include <map>
#include <memory>

namespace gmemfs {

/// Thread-safe. An id that create() didn't give, or that was released, is the caller's error (an assertion).
class LocalKeeper final : public Keeper {
public:
    LocalKeeper(const Driver &driver, HandlePolicy policy) : driver_(driver), policy_(policy) {}

    Result<Id> create(const DeviceInfo &device, std::uint64_t size) override EXCLUDES(mutex_);
    Result<Id> donate(const DeviceInfo &device, std::uint64_t size, Fd memory) override EXCLUDES(mutex_);
    Result<Mapping> map(Id id, std::uint64_t size) override EXCLUDES(mutex_);
    void release(Id id) override EXCLUDES(mutex_);
    bool has_fabric(Id id) override EXCLUDES(mutex_);
    Result<FabricHandle> export_fabric(Id id) override EXCLUDES(mutex_);
    Result<Fd> export_fd(Id id) override EXCLUDES(mutex_);
    Result<std::vector<Held>> list() override EXCLUDES(mutex_);

    std::size_t count() EXCLUDES(mutex_); ///< allocations held
    bool holds(Id id) EXCLUDES(mutex_);
    /// A descriptor for the server that maps the memory. Unlike export_fd(), the extent doesn't count as exported.
    Result<Fd> export_fd_to_map(Id id) EXCLUDES(mutex_);
    Result<FabricHandle> export_fabric_to_map(Id id) EXCLUDES(mutex_); ///< the same

private:
    struct Entry {
        Allocation allocation;
        const std::array<std::uint8_t, 16> device_uuid;
        const std::uint64_t size;
        std::atomic<bool> is_exported = false;
        const Fd donated = {}; // what is imported can't be exported again, so the descriptor is what is handed out
    };
    Id add(std::shared_ptr<Entry> entry) EXCLUDES(mutex_);
    std::shared_ptr<Entry> find(Id id) EXCLUDES(mutex_);

    const Driver &driver_;
    const HandlePolicy policy_;
    Mutex mutex_;
    std::map<Id, std::shared_ptr<Entry>> entries_ GUARDED_BY(mutex_);
    Id next_ GUARDED_BY(mutex_) = 1;
};

} // namespace gmemfs
