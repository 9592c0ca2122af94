// Storage: gives files their extents, slots and parity, within the budgets, on the mount's devices and in host memory.
#pragma once

#include "ecc/digest/digest.hpp"
#include "ecc/pack/packer.hpp"
#include "ecc/parity/engine.hpp"
#include "fuse/core/space/budget.hpp"
#include "fuse/core/space/packed_count.hpp"
#include "fuse/core/space/placing.hpp"
#include "fuse/core/space/quota.hpp"
#include "fuse/core/space/unpacked.hpp"
#include "vmm/base/units.hpp"
#include "vmm/memory/copiers.hpp"
#include "vmm/memory/extent_list.hpp"

#include <array>
#include <atomic>
#include <cstdint>
#include <memory>
#include <string>
#include <vector>

namespace gmemfs {

class Slab;

/// Thread-safe. Outlives all files.
class Storage {
public:
    struct Limits {
        std::uint64_t capacity = 0; ///< bytes of device memory; 0, or too many: the memory of all devices
        Quotas::Limits quotas = {};
        bool verify_reads = false;       ///< --verify-reads
        Device *host = nullptr;          ///< host memory; null: files are on GPUs alone. Outlives the Storage
        std::uint64_t host_capacity = 0; ///< bytes of host memory; 0, or too many: half of the machine's
        /// Bytes of host memory in one extent, whole granules: while the driver makes it (4.4 GB/s, H200), the keeper
        /// does nothing else.
        std::uint64_t host_extent = 256 * MiB;
        Placing placing = {};          ///< of files that nobody has placed
        NvcompPlaces nvcomp = nullptr; ///< where nvCOMP may be; null: files are packed by our own codecs alone
    };
    /// `devices` are GPUs, and not empty.
    Storage(Keeper &keeper, const std::vector<std::unique_ptr<Device>> &devices, const Limits &limits);
    ~Storage();
    Storage(const Storage &) = delete;
    Storage &operator=(const Storage &) = delete;

    /// A new extent on `device`, cleared from byte `clear_from` on. The bytes before `clear_from` may be another user's
    /// data: the caller overwrites them, or hides them until they are cleared. The extent counts against the budget
    /// until its last holder lets go of it. ENOSPC: the budget or the device is full.
    Result<std::shared_ptr<Extent>> create(
        Copiers &copiers, Device &device, std::uint64_t size, std::uint64_t clear_from = 0);
    /// A slot of zeros for a small file, in an extent that other files share: see Slab. `size` is kSlotMax at the most.
    Result<Piece> create_slot(Copiers &copiers, Device &device, std::uint64_t size);

    /// An extent that the keeper holds from before, with its contents. The budget is charged, even beyond its capacity.
    /// ENODEV: the mount doesn't use the extent's device. Of a lost one it can only be given back.
    Result<std::shared_ptr<Extent>> adopt(const Keeper::Held &held);
    /// Memory that another process has made and goes on using. ENOSPC: the budget is full. ENODEV: the mount doesn't
    /// use that device. EINVAL: it is no memory of that device, or of another size. ENOTSUP: see Keeper::donate.
    Result<std::shared_ptr<Extent>> take_donation(
        const std::array<std::uint8_t, 16> &device_uuid, std::uint64_t size, Fd memory);
    /// Gives an extent that nobody has adopted back to the device.
    void give_back(Keeper::Id id) { keeper_.release(id); }

    /// Bytes that can be allocated on `device` at present: the smaller of what the budget leaves and what the device
    /// has free.
    std::uint64_t room_on(const Device &device) const;
    /// The device on which a file goes that nobody has placed, and that is about to get `wanted` bytes: as the mount's
    /// Placing has it, and where no such device has room for them, the one with the most free memory. Never a lost one,
    /// where another lives.
    Device &choose(std::uint64_t wanted) const;
    /// Bytes of the device's memory that files have; of a lost one, what they can't reach.
    std::uint64_t used_on(const Device &device) const { return used_on_[index_of(device)]; }
    /// The device with this ordinal ("1") or UUID ("GPU-..."), or "host". Null: the mount uses no such device.
    Device *find(const std::string &name) const;
    Device *find(const std::array<std::uint8_t, 16> &uuid) const;
    const std::vector<std::unique_ptr<Device>> &devices() const { return devices_; } ///< the GPUs
    Device *host() const { return host_; }                                           ///< null: there is none
    /// The most bytes that one extent should have, of a file of `size` bytes.
    std::uint64_t extent_max(const Device &device, std::uint64_t size) const;

    /// A file's piece of an adopted extent: all of it, or a slot. EBADMSG: there can be no such piece.
    Result<Piece> adopt_piece(std::shared_ptr<Extent> extent, std::uint64_t offset, std::uint64_t length);

    /// Memory for the parity of a piece, a sixteenth of the piece. Its contents are whatever was there before. ENOSPC:
    /// the budget or the device is full. ENOEXEC: this program has no kernels for the device.
    Result<std::shared_ptr<Companion>> make_parity(const Piece &piece) EXCLUDES(mutex_);
    bool verifies_reads() const { return verify_reads_; }
    /// Checks that every device that isn't lost can have parity. ENOEXEC: this program has no kernels for one of them.
    Result<void> check_parity() EXCLUDES(mutex_);
    /// The sums over all devices.
    struct ParityUse {
        ParityEngine::Counts blocks;
        std::uint64_t held; ///< bytes of device memory, with checksums and what is left over in granules
    };
    ParityUse parity_use() const EXCLUDES(mutex_);

    /// The device's Digester, made at the first call, owned by the Storage; of the host that of a GPU, which reads over
    /// the bus. ENOEXEC: this program has no kernels for the device.
    Result<Digester *> digester_of(Device &device) EXCLUDES(mutex_);
    /// The device's Packer, as above.
    Result<Packer *> packer_of(Device &device) EXCLUDES(mutex_);
    std::uint64_t held_by_packers() const EXCLUDES(mutex_); ///< bytes of device memory, which no file has
    /// What was decoded of packed files on the device, as above.
    Result<UnpackedWindows *> unpacked_of(Device &device) EXCLUDES(mutex_);

    /// A number that no file has had yet, for File::generation().
    std::uint64_t next_generation() { return generation_.fetch_add(1) + 1; }
    /// A number that is greater than all before, for File::last_use().
    std::uint64_t next_use() { return use_.fetch_add(1, std::memory_order_relaxed) + 1; }
    void continue_generations(std::uint64_t last); ///< the next ones are greater; before other threads use the storage

    Quotas &quotas() { return quotas_; }
    PackedCount &packed() { return packed_; }
    PackedCount &in_host() { return in_host_; } ///< files that live on a device, and are in host memory

    struct SlotUse {
        std::uint64_t extents, slots; ///< as Slab::Usage has them
    };
    struct Space {
        std::uint64_t capacity;  ///< bytes that files may use together
        std::uint64_t used;      ///< bytes of all extents, shared ones included
        SlotUse shared;          ///< of the extents that small files share
        std::uint64_t available; ///< bytes that can be allocated: what the budget leaves and the devices have free
    };
    /// The space of the GPUs, after extents that are only kept in reserve were given back.
    Space space();
    struct HostSpace {
        std::uint64_t capacity, used; ///< bytes of host memory; used ones with `reserve`
        std::uint64_t reserve;        ///< bytes that were given up a moment ago, and are kept for the next file
    };
    HostSpace host_space() const EXCLUDES(reserve_mutex_); ///< zeros where there is none
    enum class Reserve { old, all };
    /// Gives back what was in reserve when this was called last, or all. False: that was nothing. Every few seconds.
    bool drop_reserve(Reserve which) EXCLUDES(reserve_mutex_);

private:
    std::shared_ptr<Extent> charged(std::shared_ptr<Extent> extent);
    bool put_in_reserve(std::shared_ptr<Extent> &extent) EXCLUDES(reserve_mutex_);
    std::shared_ptr<Extent> take_from_reserve(const Device &device, std::uint64_t size) EXCLUDES(reserve_mutex_);

    Keeper &keeper_;
    const std::vector<std::unique_ptr<Device>> &devices_;
    Device *const host_;
    Budget budget_, host_budget_;
    Quotas quotas_;
    PackedCount packed_, in_host_;
    const bool verify_reads_;
    const std::uint64_t host_extent_;
    const Placing placing_;
    const NvcompPlaces nvcomp_;
    std::atomic<std::uint64_t> generation_ = 0, use_ = 0;
    mutable Mutex mutex_;
    std::vector<std::unique_ptr<ParityEngine>> engines_ GUARDED_BY(mutex_);     // one a device that was asked for
    std::vector<std::unique_ptr<Digester>> digesters_ GUARDED_BY(mutex_);       // the same
    std::vector<std::unique_ptr<Packer>> packers_ GUARDED_BY(mutex_);           // the same
    std::vector<std::unique_ptr<UnpackedWindows>> unpacked_ GUARDED_BY(mutex_); // the same
    // Whole extents of host memory, which takes long to make, and to give back. Nobody else has had them mapped.
    struct Reserved {
        std::shared_ptr<Extent> extent;
        bool is_old; ///< there was a call of drop_reserve() since
    };
    mutable Mutex reserve_mutex_; // a leaf
    std::vector<Reserved> reserve_ GUARDED_BY(reserve_mutex_);
    // One a device, in the order of devices_, and one for the host; after the budgets and the reserve, which they use.
    std::vector<std::unique_ptr<Slab>> slabs_;
    std::vector<std::atomic<std::uint64_t>> used_on_; // in the same order

    std::size_t index_of(const Device &device) const;
    Result<std::shared_ptr<Extent>> make(
        Copiers &copiers, Device &device, std::uint64_t size, std::uint64_t clear_from);
    Result<std::shared_ptr<Extent>> make_anew(Device &device, std::uint64_t size);
    Slab &slab_of(const Device &device);
    Device *choose_near(std::uint64_t wanted) const;
    Budget &budget_of(const Device &device) { return device.info().is_host() ? host_budget_ : budget_; }
    const Budget &budget_of(const Device &device) const { return device.info().is_host() ? host_budget_ : budget_; }
    Device &gpu_of(Device &device) const; // of the host: one that isn't lost
    Result<ParityEngine *> engine_of(Device &device) EXCLUDES(mutex_);
    bool trim() EXCLUDES(mutex_);
};

} // namespace gmemfs
