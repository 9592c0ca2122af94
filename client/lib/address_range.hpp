// AddressRange: a contiguous range of device addresses, into which a file's extents are mapped side by side.
//
//     address                                                       address + size
//     | extent 0            | extent 1     | extent 2               |       one cuMemAddressReserve, a cuMemMap each
#pragma once

#include "client/lib/broker_session.hpp"
#include "vmm/device/device.hpp"

#include <cstdint>
#include <vector>

namespace gmemfs::client {

enum class Access { read, write };

/// Which devices may use a range, besides those that its extents lie on: all that can reach these, or those of a list.
struct Reach {
    enum class Kind { all, listed } kind;
    std::vector<int> ordinals; ///< of the list
};

/// Owner; move-only. The destructor unmaps; nothing may use the memory then. Not thread-safe. Needs no context.
class AddressRange {
public:
    /// Imports the extents that the broker gave, and closes their descriptors, because an open one pins device memory.
    /// `wished` is the address that the range must have; 0 for any. EADDRINUSE: that address is taken. ENODEV: an
    /// extent's device, or a listed one, isn't among `devices`. ENOTSUP: a listed device can't reach an extent's.
    static Result<AddressRange> create(const Driver &driver, const std::vector<DeviceInfo> &devices, Attached &attached,
        Access access, const Reach &reach, std::uint64_t wished);
    AddressRange(AddressRange &&other) noexcept;
    AddressRange &operator=(AddressRange &&) = delete;
    AddressRange(const AddressRange &) = delete;
    AddressRange &operator=(const AddressRange &) = delete;
    ~AddressRange();

    CUdeviceptr address() const { return address_; }
    std::uint64_t size() const { return size_; }
    const std::vector<CUdevice> &devices() const { return allowed_; } ///< that may use the range
    /// By which processors load and store what is in host memory; 0: the range is device memory.
    std::uint64_t host_address() const { return host_address_; }
    /// Where the extent that holds `offset` ends; `offset` lies in the range.
    std::uint64_t extent_end(std::uint64_t offset) const;

private:
    AddressRange(const Driver &driver, std::uint64_t size) : driver_(&driver), size_(size) {}
    Result<void> reserve(std::uint64_t wished);
    Result<void> map(Attached &attached);
    Result<void> allow(
        const std::vector<DeviceInfo> &devices, const Attached &attached, Access access, const Reach &reach);
    Result<void> allow_processors(Access access);
    Result<void> set_access(Access access);

    const Driver *driver_;
    CUdeviceptr address_ = 0;
    std::uint64_t size_;
    std::vector<std::uint64_t> ends_; // of the extents that are mapped: offsets
    std::vector<CUdevice> allowed_;
    std::uint64_t host_address_ = 0;
};

} // namespace gmemfs::client
