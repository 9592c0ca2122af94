// Storage: where a file's extents come from: the devices of the mount, the keeper, and the budget.
#pragma once

#include "ecc/digest/digest.hpp"
#include "ecc/parity/engine.hpp"
#include "fuse/core/space/budget.hpp"
#include "fuse/core/space/quota.hpp"
#include "fuse/core/space/slab.hpp"
#include "vmm/memory/copiers.hpp"
#include "vmm/memory/extent.hpp"

#include <atomic>
#include <cstdint>
#include <memory>
#include <vector>

namespace gmemfs {

/// Thread-safe. Outlives all files.
class Storage {
public:
    struct Limits {
        std::uint64_t capacity = 0; ///< bytes of device memory; 0, or too many: the memory of all devices
        Quotas::Limits quotas = {};
        bool verify_reads = false; ///< --verify-reads
    };
    /// `devices` is not empty.
    Storage(Keeper &keeper, const std::vector<std::unique_ptr<Device>> &devices, const Limits &limits);

    /// A new extent on `device`, cleared from byte `clear_from` on: what lies before may be another user's data, and
    /// the caller overwrites it, or hides it until it is cleared. Its bytes count against the budget until the last
    /// holder lets go of it. ENOSPC: the budget or the device is full.
    Result<std::shared_ptr<Extent>> create(
        Copiers &copiers, Device &device, std::uint64_t size, std::uint64_t clear_from = 0);
    /// Room for a small file, in an extent that others share, cleared: see Slab. `size` is kSlotMax at the most.
    Result<Piece> create_slot(Copiers &copiers, Device &device, std::uint64_t size);

    /// One that the keeper holds from before, with its contents; the budget is charged, even beyond its end. ENODEV:
    /// the mount doesn't use its device.
    Result<std::shared_ptr<Extent>> adopt(const Keeper::Held &held);
    /// One that nobody has adopted goes back to the device.
    void give_back(Keeper::Id id) { keeper_.release(id); }

    /// Bytes that can be had on `device` at present: what the budget leaves, and the device has free.
    std::uint64_t room_on(const Device &device) const;
    /// The device with the most free memory: where a new file goes that nobody has placed.
    Device &roomiest() const;
    /// By ordinal ("1"), or UUID ("GPU-..."); null where the mount doesn't use it.
    Device *find(const std::string &name) const;
    const std::vector<std::unique_ptr<Device>> &devices() const { return devices_; }

    /// A file's piece of an extent that was taken over: all of it, or a slot. EBADMSG: it can't be.
    Result<Piece> adopt_piece(std::shared_ptr<Extent> extent, std::uint64_t offset, std::uint64_t length);

    /// Memory for the parity of a piece, a sixteenth of it, its contents whatever was there before. ENOSPC: the budget
    /// or the device is full. ENOEXEC: this program has no kernels for the device.
    Result<std::shared_ptr<Companion>> make_parity(const Piece &piece) EXCLUDES(mutex_);
    bool verifies_reads() const { return verify_reads_; }
    /// Whether there can be parity on every device. ENOEXEC.
    Result<void> check_parity() EXCLUDES(mutex_);
    /// Of all devices, together.
    struct ParityUse {
        ParityEngine::Counts blocks;
        std::uint64_t held; ///< bytes of device memory, with checksums and what is left over in granules
    };
    ParityUse parity_use() const EXCLUDES(mutex_);

    /// Made at the first call. ENOEXEC: this program has no kernels for the device.
    Result<Digester *> digester_of(Device &device) EXCLUDES(mutex_);

    /// For File::generation().
    std::uint64_t next_generation() { return generation_.fetch_add(1) + 1; }
    void continue_generations(std::uint64_t last); ///< those that come are greater; before the storage is shared

    Quotas &quotas() { return quotas_; }

    struct Space {
        std::uint64_t capacity;  ///< bytes that files may use together
        std::uint64_t used;      ///< bytes of all extents, shared ones included
        Slab::Usage shared;      ///< of the extents that small files share
        std::uint64_t available; ///< bytes that can still be had: what the budget leaves and the devices have free
    };
    /// After giving back what is only kept in reserve.
    Space space();

private:
    std::shared_ptr<Extent> charged(std::shared_ptr<Extent> extent);

    Keeper &keeper_;
    const std::vector<std::unique_ptr<Device>> &devices_;
    Budget budget_;
    Quotas quotas_;
    const bool verify_reads_;
    std::atomic<std::uint64_t> generation_ = 0;
    mutable Mutex mutex_;
    std::vector<std::unique_ptr<ParityEngine>> engines_ GUARDED_BY(mutex_); // one a device that was asked for
    std::vector<std::unique_ptr<Digester>> digesters_ GUARDED_BY(mutex_);   // the same
    std::vector<std::unique_ptr<Slab>> slabs_; // one a device, in the order of devices_; after budget_: gone before it

    Result<std::shared_ptr<Extent>> make(
        Copiers &copiers, Device &device, std::uint64_t size, std::uint64_t clear_from);
    Slab &slab_of(const Device &device);
    Result<ParityEngine *> engine_of(Device &device) EXCLUDES(mutex_);
    bool trim();
};

} // namespace gmemfs
