// Keeper: creates the memory of extents, holds it, and hands out its handles.
//
// A keeper needs cuInit and no context, so a process of its own can stand behind this interface, and extents outlive a
// crash of the server (docs/keeper.md). Only ids, sizes and handles cross the interface. map() is the only step that
// happens in the caller's process.
#pragma once

#include "vmm/memory/mapping.hpp"

#include <array>
#include <cstdint>
#include <vector>

namespace gmemfs {

/// Thread-safe. Outlives its Extents. LocalKeeper owns the memory itself; KeeperClient asks a process.
/// Every Result of a KeeperClient may be EIO: the keeper's process has died, or hasn't answered for 10 s; or EMFILE:
/// this process may open no more descriptors.
class Keeper {
public:
    using Id = std::uint64_t; ///< never used twice by one keeper

    /// What a keeper holds, as list() tells it.
    struct Held {
        Id id = 0;
        std::uint64_t size = 0; ///< bytes, a multiple of the granularity
        std::array<std::uint8_t, 16> device_uuid = {};
        bool is_exported = false; ///< a handle was given to a peer, which may have it mapped
    };

    Keeper() = default;
    virtual ~Keeper() = default;
    Keeper(const Keeper &) = delete;
    Keeper &operator=(const Keeper &) = delete;

    /// Creates memory on `device`; `size` is a multiple of the granularity. Errors: see Allocation::create.
    virtual Result<Id> create(const DeviceInfo &device, std::uint64_t size) = 0;
    /// Holds memory that another process has made and goes on using, by its descriptor; it counts as exported. EINVAL:
    /// the descriptor is none of device memory, or of another device. ENOTSUP: the keeper is an older program's.
    virtual Result<Id> donate(const DeviceInfo &device, std::uint64_t size, Fd memory) = 0;
    /// Maps the memory into this process, whole; without access yet.
    virtual Result<Mapping> map(Id id, std::uint64_t size) = 0;
    /// Ends the keeper's hold on the memory. Mappings and peers keep theirs.
    virtual void release(Id id) = 0;

    virtual bool has_fabric(Id id) = 0;
    virtual Result<FabricHandle> export_fabric(Id id) = 0; ///< errors: see Allocation
    virtual Result<Fd> export_fd(Id id) = 0;

    /// Everything that the keeper holds, ordered by id.
    virtual Result<std::vector<Held>> list() = 0;
};

} // namespace gmemfs
