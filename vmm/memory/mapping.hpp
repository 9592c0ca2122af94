// Mapping: owner of a range of device addresses that is reserved, mapped to one allocation, and accessible.
#pragma once

#include "vmm/memory/allocation.hpp"

#include <cstdint>

namespace gmemfs {

/// Owner; move-only. Not thread-safe. The destructor unmaps (0.65 ms for 2 MiB, 43 ms for 64 GiB, H200); no copy may be
/// under way then. The mapping keeps the memory alive after the Allocation is gone.
class Mapping {
public:
    /// An allocation is mapped whole or not at all. ENOMEM: no address space. Needs no context.
    static Result<Mapping> create(
        const Driver &driver, const DeviceInfo &device, const Allocation &allocation, std::uint64_t size);
    /// The same, without access yet: that costs 58 us to 1.7 ms (H200). It tells whether the size is right, and holds
    /// the memory.
    static Result<Mapping> create_closed(const Driver &driver, const Allocation &allocation, std::uint64_t size);
    /// Gives the devices that use `device` access, or those of them that can have it. Errors: the driver's.
    Result<void> open(const DeviceInfo &device);

    Mapping(Mapping &&other) noexcept;
    Mapping &operator=(Mapping &&other) = delete;
    Mapping(const Mapping &) = delete;
    Mapping &operator=(const Mapping &) = delete;
    ~Mapping();

    /// Gives another device access, which lasts as long as the mapping. EXDEV: that device doesn't reach this memory.
    Result<void> let_in(const DeviceInfo &owner, const DeviceInfo &user);

    CUdeviceptr address() const { return address_; } ///< device address of byte 0; don't dereference it on the host
    std::uint64_t size() const { return size_; }     ///< bytes, a multiple of the granularity

private:
    Mapping(const Driver &driver, std::uint64_t size) : driver_(&driver), size_(size) {}

    const Driver *driver_;
    CUdeviceptr address_ = 0;
    std::uint64_t size_;
    bool mapped_ = false;
};

} // namespace gmemfs
