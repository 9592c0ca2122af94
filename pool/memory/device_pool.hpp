// DevicePool: the pool of one device: small blocks from arenas, large ones an extent each, and what is freed.
//
//     cuMemFree            the block waits, with its context      --fence--> free
//     cuMemFreeAsync       the block waits, with its stream       --fence--> free
//                                         \--> used again at once by the same stream
//
// A kernel may still be running on memory that is being freed. cuMemFree waits for the context, and so nobody notices;
// here a block waits instead, and all that wait are waited for by one fence, when the memory is needed: a pair of
// cuMemAlloc and cuMemFree of a byte, which waits for a whole context, and leaves graph captures alone, unlike
// cuCtxSynchronize (client/lib/device_wait.hpp). Each context has a fence of its own, because none waits for another.
// A large block that cuMemFree gives back is waited for at once, because its memory leaves the process.
//
// A block that another process has opened (exports.hpp) isn't used again before that has closed it: it is lent. A large
// one goes all the same, because the other process has the memory itself.
#pragma once

#include "pool/fit/fit.hpp"
#include "pool/memory/exports.hpp"
#include "pool/memory/pool_extent.hpp"
#include "pool/memory/spill.hpp"

#include <atomic>
#include <map>
#include <optional>
#include <string>
#include <sys/mman.h>
#include <utility>
#include <vector>

namespace gmemfs::pool {

/// How much memory a process may hold, on all devices together. Thread-safe.
class Limit {
public:
    explicit Limit(std::uint64_t bytes) : bytes_(bytes) {} ///< 0: as much as there is
    std::uint64_t bytes() const { return bytes_; }
    std::uint64_t held() const { return held_.load(); }
    bool take(std::uint64_t bytes);
    void give(std::uint64_t bytes) { held_.fetch_sub(bytes); }

private:
    const std::uint64_t bytes_;
    std::atomic<std::uint64_t> held_ = 0;
};

/// Thread-safe: one lock, which is held neither while the device is waited for nor while the mount is asked.
class DevicePool {
public:
    static constexpr std::uint64_t kLarge = std::uint64_t(32) << 20; ///< an extent of its own from here on
    /// Of the first arenas; a later one is a part of all that are there, so that little is idle, up to the most.
    static constexpr std::uint64_t kArenaFirst = std::uint64_t(64) << 20;
    static constexpr std::uint64_t kArenaPart = 32, kArenaMost = std::uint64_t(1) << 30;

    DevicePool(
        const Driver &driver, DeviceInfo device, ExtentFiles &files, Limit &limit, Exports &exports, Spill spill = {});

    /// For whom memory is: `stream` where the request is ordered by one.
    struct User {
        CUcontext context;
        std::optional<CUstream> stream;
        unsigned library = 0; ///< Callers::library_of
    };
    /// `size` isn't 0. ENOSPC: the device, the mount, the user's quota or the limit has no room; else the driver's.
    Result<CUdeviceptr> take(std::uint64_t size, User user) EXCLUDES(mutex_, growing_);
    /// `missed`: the address is none of a block of this pool, or that has been freed already.
    enum class Given { done, missed };
    Result<Given> give(CUdeviceptr address, User user) EXCLUDES(mutex_);

    struct Block {
        CUdeviceptr address;
        std::uint64_t size; ///< as it was asked for
        CUcontext context;
        std::uint64_t serial; ///< no other block of the process ever has it
        bool is_shareable;    ///< its extent is a file, which other processes can open
    };
    /// The block that has this byte.
    std::optional<Block> find(CUdeviceptr address) EXCLUDES(mutex_);
    /// A handle of the block that has this byte, the same each time. ENOENT: there is no such block. ENOTSUP: its
    /// extent is no file. Else see Exports::add.
    Result<IpcHandle> share(CUdeviceptr address) EXCLUDES(mutex_);
    /// Where it is in a file. A plain value.
    struct Place {
        CUdeviceptr address;  ///< of the block
        std::uint64_t size;   ///< bytes of it
        std::uint64_t offset; ///< of the block, in the file
        std::string path;     ///< of the file, as it was made; empty: it is none
    };
    /// Of the block that has this byte.
    std::optional<Place> locate(CUdeviceptr address) EXCLUDES(mutex_);
    /// Bytes that the pool holds and no block has, those that wait included.
    std::uint64_t idle() EXCLUDES(mutex_);
    const DeviceInfo &device() const { return device_; }

    /// Lets another device use the pool's memory, what there is and what comes.
    Result<void> open_to(CUdevice user) EXCLUDES(mutex_);

    /// Waits for all blocks that wait: before a context or a stream goes.
    Result<void> settle() EXCLUDES(mutex_);
    /// A stream is about to go, and another one may get its number: its blocks wait with its context from here on.
    void forget(CUstream stream) EXCLUDES(mutex_);
    /// A context is gone, and so is what was allocated in it.
    void drop(CUcontext context) EXCLUDES(mutex_);

private:
    struct Unmap {
        std::size_t size; // bytes
        void operator()(Fit::Node *nodes) const { ::munmap(nodes, size); }
    };
    using Nodes = std::unique_ptr<Fit::Node[], Unmap>;
    struct Arena {
        std::unique_ptr<PoolExtent> extent;
        Nodes nodes;     // by unit: the block that begins there, or 0
        Fit::Node whole; // of the arena, when it was free last
    };
    using State = block_table::State;
    using Extent = std::unique_ptr<PoolExtent>;
    struct Waiting { // of one context
        std::vector<CUdeviceptr> blocks;
        std::map<CUstream, std::vector<CUdeviceptr>> by_stream;
    };

    std::optional<CUdeviceptr> take_free(std::uint64_t size, User user) REQUIRES(mutex_);
    std::optional<CUdeviceptr> take_waiting(std::uint64_t size, User user) REQUIRES(mutex_);
    Result<CUdeviceptr> take_large(std::uint64_t size, User user) EXCLUDES(mutex_);
    Result<void> grow(std::uint64_t size) EXCLUDES(mutex_) REQUIRES(growing_);
    Result<std::unique_ptr<PoolExtent>> make(std::uint64_t size, ExtentFiles::Kind kind) EXCLUDES(mutex_);
    Result<Extent> spill_for(Result<Extent> made, std::uint64_t size) EXCLUDES(mutex_);
    BlockEntry::Use use_of(std::uint64_t size, User user) REQUIRES(mutex_);
    std::optional<BlockEntry> find_entry(CUdeviceptr address) REQUIRES(mutex_); // of a block that begins there
    Arena *arena_of(CUdeviceptr address) REQUIRES(mutex_);
    void make_free(CUdeviceptr address, std::vector<Extent> &gone) REQUIRES(mutex_);
    void tell_idle() REQUIRES(mutex_);                  // to the figures
    void revoke(CUdeviceptr address) REQUIRES(mutex_);  // so that no other process opens the block
    bool is_lent(CUdeviceptr address) REQUIRES(mutex_); // another process has it open
    bool take_back() REQUIRES(mutex_);                  // what other processes have closed; whether there was anything
    const PoolExtent &extent_of(CUdeviceptr address) REQUIRES(mutex_); // of a block
    std::optional<Block> find_block(CUdeviceptr address) REQUIRES(mutex_);
    Result<void> open(const PoolExtent &extent, CUdevice user) const;
    Result<void> open_to_late(const PoolExtent &extent) REQUIRES(mutex_); // users that came while it was made
    Result<bool> fence() EXCLUDES(mutex_);                                // whether anything waited
    Result<bool> trim() EXCLUDES(mutex_);                                 // the same, and whether an arena went

    const Driver &driver_;
    const DeviceInfo device_;
    ExtentFiles &files_;
    Limit &limit_;
    Exports &exports_;
    const Spill spill_;
    Mutex growing_; // before mutex_: one thread makes an arena, and others wait for that
    Mutex mutex_;
    std::vector<CUdevice> users_ GUARDED_BY(mutex_);
    Fit fit_ GUARDED_BY(mutex_);                             // in units of addresses
    std::map<CUdeviceptr, Arena> arenas_ GUARDED_BY(mutex_); // by their end
    BlockEntries entries_ GUARDED_BY(mutex_);                // by node
    std::map<CUdeviceptr, Extent> large_ GUARDED_BY(mutex_);
    std::map<CUcontext, Waiting> waiting_ GUARDED_BY(mutex_);
    std::uint64_t waiting_bytes_ GUARDED_BY(mutex_) = 0;             // of all of them
    std::map<CUdeviceptr, Exports::Slot> shared_ GUARDED_BY(mutex_); // blocks that have a handle
    std::vector<CUdeviceptr> lent_ GUARDED_BY(mutex_);               // of them, freed, and open in other processes
    std::uint64_t next_serial_ GUARDED_BY(mutex_);
    std::uint64_t arena_bytes_ GUARDED_BY(mutex_) = 0; // of all of them
};

} // namespace gmemfs::pool
