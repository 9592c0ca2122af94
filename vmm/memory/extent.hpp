// Extent: one allocation of device memory, created by the keeper and mapped here; the unit that peers import.
#pragma once

#include "vmm/base/lock.hpp"
#include "vmm/memory/keeper.hpp"

#include <atomic>
#include <cstdint>
#include <memory>
#include <optional>
#include <vector>

namespace gmemfs {

/// Thread-safe after create(). The destructor unmaps and releases the memory (0.65 ms at 2 MiB, 43 ms at 64 GiB, H200);
/// nobody may be copying then. A peer that has mapped the extent keeps the memory.
class Extent {
public:
    /// `size` is bytes, rounded up to the device's granularity. ENOSPC: the device is full. The contents are whatever
    /// was in the memory before: the caller clears the extent (Copier::queue_zero) before anyone sees it.
    static Result<std::shared_ptr<Extent>> create(Keeper &keeper, Device &device, std::uint64_t size);
    /// An extent of memory that another process has made, by its descriptor. It counts as exported. This process has
    /// access to it from the first open() on: most programs' memory is never read as a file. Errors: see
    /// Keeper::donate; EINVAL: the allocation has another size.
    static Result<std::shared_ptr<Extent>> donate(Keeper &keeper, Device &device, std::uint64_t size, Fd memory);
    /// An extent that the keeper has kept from the server before this one: mapped here, with its contents. It counts as
    /// exported where it was. Where the device is lost it isn't mapped: it can be given back, or be left to the keeper.
    static Result<std::shared_ptr<Extent>> adopt(Keeper &keeper, Device &device, const Keeper::Held &held);
    ~Extent() {
        if (!abandoned_) keeper_.release(id_);
    }
    Extent(const Extent &) = delete;
    Extent &operator=(const Extent &) = delete;

    Device &device() const { return device_; }
    Keeper::Id id() const { return id_; }
    /// Of an extent that create() or adopt() has made, or that was opened. Don't dereference it on the host.
    CUdeviceptr address() const {
        GMEMFS_ASSERT(is_open_.load(std::memory_order_acquire));
        return mapping_->address();
    }
    /// The address, with access. Costs one load, but for the first call of donated memory. Errors: the driver's.
    Result<CUdeviceptr> open() EXCLUDES(mutex_) {
        if (!is_open_.load(std::memory_order_acquire)) TRY(open_first());
        return mapping_->address();
    }
    std::uint64_t size() const { return size_; } ///< bytes, a multiple of the granularity
    bool has_fabric() const { return keeper_.has_fabric(id_); }

    /// Whether a handle was ever given out. Then a peer may read and write the memory, now and later.
    bool is_exported() const { return exported_.load(std::memory_order_acquire); }
    /// The fabric handle, made at the first call (5 us, H200) and kept. ENOTSUP: this machine has no fabric handles.
    Result<FabricHandle> export_fabric() EXCLUDES(mutex_);
    /// A descriptor, the caller's, made at each call (0.5 to 0.9 ms, H200), because one that was kept would pin the
    /// memory.
    Result<Fd> export_fd();
    /// Whether another GPU, which is about to copy `bytes` bytes to or from here, reaches the memory over its link. It
    /// is given access once that is worth it: the first extent's costs 0.8 to 12 ms, the next ones' 0.05 while it is
    /// there. Without access the driver copies by way of the host, at 37 GB/s instead of 395 (two H200, driver 580).
    Result<bool> let_in(const Device &user, std::uint64_t bytes) EXCLUDES(mutex_);
    /// The destructor leaves the memory to the keeper, for the next server.
    void abandon() { abandoned_ = true; }

private:
    Extent(Keeper &keeper, Device &device, Keeper::Id id, std::uint64_t size)
        : keeper_(keeper), device_(device), id_(id), size_(size) {}

    Keeper &keeper_;
    Device &device_;
    const Keeper::Id id_;
    const std::uint64_t size_;
    Result<void> open_first() EXCLUDES(mutex_);

    std::optional<Mapping> mapping_; // none where the device was lost when this was made
    std::atomic<bool> is_open_ = false;
    std::atomic<bool> exported_ = false;
    std::atomic<bool> abandoned_ = false;
    Mutex mutex_;
    std::optional<FabricHandle> fabric_ GUARDED_BY(mutex_);
    struct User { // another GPU
        const Device *device;
        enum class Access { none, given, impossible } access = Access::none;
        std::uint64_t copied = 0; // bytes, without access
    };
    std::vector<User> users_ GUARDED_BY(mutex_);
};

/// A view of a part of an extent: `length` bytes from `offset`. Never outlives the call that it is passed to.
struct Slice {
    Extent *extent;
    std::uint64_t offset, length;
};

} // namespace gmemfs
