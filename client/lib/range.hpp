// Range: one contiguous range of device addresses, with a file's extents imported and mapped into it side by side.
//
//     address                                                       address + size
//     | extent 0            | extent 1     | extent 2               |       one cuMemAddressReserve, a cuMemMap each
#pragma once

#include "client/lib/session.hpp"
#include "vmm/device/device.hpp"

#include <cstdint>
#include <vector>

namespace gmemfs::client {

enum class Access { read, write };

/// Which devices may use a range: those that its extents lie on always, and with them all that can reach these, or
/// those of a list.
struct Reach {
    enum class Kind { all, listed } kind;
    std::vector<int> ordinals; ///< of the list
};

/// Owner; move-only. Unmaps when it dies; nothing may use the memory then. Not thread-safe. Needs no context.
class Range {
public:
    /// Imports what the broker gave, and closes the descriptors: an open one pins device memory. `wished`: the address
    /// that it must have; 0 for any. EADDRINUSE: it is taken. ENODEV: an extent's device isn't among `devices`, or a
    /// listed one. ENOTSUP: a listed device can't reach an extent's.
    static Result<Range> create(const Driver &driver, const std::vector<DeviceInfo> &devices, Attached &attached,
        Access access, const Reach &reach, std::uint64_t wished);
    Range(Range &&other) noexcept;
    Range &operator=(Range &&) = delete;
    Range(const Range &) = delete;
    Range &operator=(const Range &) = delete;
    ~Range();

    CUdeviceptr address() const { return address_; }
    std::uint64_t size() const { return size_; }
    const std::vector<CUdevice> &devices() const { return allowed_; } ///< that may use it
    /// Where the extent that holds `offset` ends; `offset` lies in the range.
    std::uint64_t extent_end(std::uint64_t offset) const;

private:
    Range(const Driver &driver, std::uint64_t size) : driver_(&driver), size_(size) {}
    Result<void> reserve(std::uint64_t wished);
    Result<void> map(Attached &attached);
    Result<void> allow(
        const std::vector<DeviceInfo> &devices, const Attached &attached, Access access, const Reach &reach);
    Result<void> set_access(Access access);

    const Driver *driver_;
    CUdeviceptr address_ = 0;
    std::uint64_t size_;
    std::vector<std::uint64_t> ends_; // of the extents that are mapped: offsets
    std::vector<CUdevice> allowed_;
};

} // namespace gmemfs::client
