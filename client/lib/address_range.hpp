// AddressRange: a contiguous range of device addresses, into which a file's extents are mapped side by side.
//
//     address                                                       address + size
//     | extent 0            | extent 1     | extent 2               |       one cuMemAddressReserve, a cuMemMap each
#pragma once

#include "client/lib/broker_session.hpp"
#include "vmm/device/device.hpp"

#include <cstdint>
#include <memory>
#include <utility>
#include <vector>

namespace gmemfs::client {

enum class Access { read, write };

/// Which devices may use a range, besides those that its extents lie on: all that can reach these, or those of a list.
/// own: none, and of these each what lies on it alone.
struct Reach {
    enum class Kind { all, listed, own } kind;
    std::vector<int> ordinals; ///< of the list
};

/// Owner of reserved addresses, which may outlast what is mapped there. Immutable, and so thread-safe.
class Addresses {
public:
    /// `wished`: 0 for any. EADDRINUSE: that address is taken. ENOMEM: there are no such addresses.
    static Result<std::shared_ptr<const Addresses>> reserve(
        const Driver &driver, std::uint64_t size, std::uint64_t wished);
    ~Addresses() { driver_->cuMemAddressFree(start_, size_); }
    Addresses(const Addresses &) = delete;
    Addresses &operator=(const Addresses &) = delete;

    CUdeviceptr start() const { return start_; }
    std::uint64_t size() const { return size_; }

private:
    Addresses(const Driver &driver, CUdeviceptr start, std::uint64_t size)
        : driver_(&driver), start_(start), size_(size) {}

    const Driver *driver_;
    const CUdeviceptr start_;
    const std::uint64_t size_;
};

/// Owner; move-only. The destructor unmaps; nothing may use the memory then. Not thread-safe. Needs no context.
class AddressRange {
public:
    /// Imports the extents that the broker gave, and closes their descriptors, because an open one pins device memory.
    /// `wished` is the address that the range must have; 0 for any. EADDRINUSE: that address is taken. ENODEV: an
    /// extent's device, or a listed one, isn't among `devices`. ENOTSUP: a listed device can't reach an extent's.
    static Result<AddressRange> create(const Driver &driver, const std::vector<DeviceInfo> &devices, Attached &attached,
        Access access, const Reach &reach, std::uint64_t wished);
    /// The same at addresses that nothing is mapped at. EINVAL: there aren't as many as the extents have bytes.
    static Result<AddressRange> create_at(std::shared_ptr<const Addresses> addresses, const Driver &driver,
        const std::vector<DeviceInfo> &devices, Attached &attached, Access access, const Reach &reach);
    AddressRange(AddressRange &&other) noexcept;
    AddressRange &operator=(AddressRange &&) = delete;
    AddressRange(const AddressRange &) = delete;
    AddressRange &operator=(const AddressRange &) = delete;
    ~AddressRange();

    CUdeviceptr address() const { return addresses_->start(); }
    std::uint64_t size() const { return addresses_->size(); }
    const std::shared_ptr<const Addresses> &addresses() const { return addresses_; }
    const std::vector<CUdevice> &devices() const { return allowed_; } ///< that may use the range
    /// By which processors load and store what is in host memory; 0: the range is device memory.
    std::uint64_t host_address() const { return host_address_; }
    /// Where the extent that holds `offset` ends; `offset` lies in the range.
    std::uint64_t extent_end(std::uint64_t offset) const;

private:
    AddressRange(const Driver &driver, std::shared_ptr<const Addresses> addresses)
        : driver_(&driver), addresses_(std::move(addresses)) {}
    Result<void> map(Attached &attached);
    Result<void> allow(
        const std::vector<DeviceInfo> &devices, const Attached &attached, Access access, const Reach &reach);
    Result<void> allow_processors(Access access);
    Result<void> set_access(Access access);
    Result<void> set_access(
        std::uint64_t offset, std::uint64_t length, const std::vector<CUdevice> &users, Access access);

    const Driver *driver_;
    std::shared_ptr<const Addresses> addresses_; // null: the object has been moved from
    std::vector<std::uint64_t> ends_;            // of the extents that are mapped: offsets
    std::vector<CUdevice> allowed_;
    std::uint64_t host_address_ = 0;
};

} // namespace gmemfs::client
