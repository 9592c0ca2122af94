// Disk: a file's device memory, mapped into this process as a peer does it, for block devices to serve.
//
// Or a thin disk's: then each of its parts is a file of its own, or has none yet (docs/block.md).
//
//     door (nbd, ublk, nbdkit)  --batch of requests-->  Lane  --copies on a stream-->  Disk
//
// Nothing here talks to the filesystem's server. So a disk goes on while there is none.
#pragma once

#include "block/disk/checksums.hpp"
#include "block/disk/parts.hpp"
#include "client/lib/address_range.hpp"
#include "client/lib/devices.hpp"

#include <memory>
#include <optional>
#include <string>

namespace gmemfs::block {

enum class Mode : std::uint8_t { read_only, read_write };

/// Thread-safe: each thread uses it by a Lane of its own.
class Disk {
public:
    /// Maps `attached`, and closes its descriptors. `size` is bytes, at most what is attached. `checksums`: bytes that
    /// another process may have mapped as well, for Checksums; empty for none. ENODEV, ENOMEM: see AddressRange.
    static Result<std::unique_ptr<Disk>> open(std::shared_ptr<const client::Devices> devices,
        client::Attached &attached, std::uint64_t size, Mode mode, std::span<std::uint32_t> checksums);
    /// A thin disk, all of it a hole. `device` is where its memory will mostly be: a UUID's text, or anything else for
    /// the first one. `written`: see Parts.
    static Result<std::unique_ptr<Disk>> open_thin(std::shared_ptr<const client::Devices> devices,
        const std::string &device, std::uint64_t size, Mode mode, std::span<std::uint32_t> checksums,
        std::span<std::uint64_t> written);
    /// Maps a part, and closes its descriptors. Errors: as those of open().
    Result<void> add_part(std::uint32_t index, client::Attached &attached);

    std::uint64_t size() const { return size_; } ///< bytes
    Mode mode() const { return mode_; }
    /// Whether the device has failed for good in this process: nothing will succeed any more, but it may in another.
    bool has_failed() const { return device_->failed(); }

    Device &device() { return *device_; }
    CUdeviceptr address() const { return range_->address(); } ///< of a disk that isn't thin
    Parts *parts() { return parts_.get(); }                   ///< null: it isn't thin
    Checksums *checksums() { return checksums_ ? &*checksums_ : nullptr; }

private:
    Disk(std::shared_ptr<const client::Devices> devices, std::uint64_t size, Mode mode)
        : devices_(std::move(devices)), size_(size), mode_(mode) {}
    static Result<std::unique_ptr<Disk>> make(std::shared_ptr<const client::Devices> devices, const DeviceInfo &info,
        std::uint64_t size, Mode mode, std::span<std::uint32_t> checksums);
    Result<client::AddressRange> map(client::Attached &attached) const;

    const std::shared_ptr<const client::Devices> devices_; // before the rest, because its driver must outlive that
    std::unique_ptr<Device> device_;                       // never null once open
    std::optional<client::AddressRange> range_;            // set by open(); none of a thin disk
    std::unique_ptr<Parts> parts_;                         // of a thin disk
    std::optional<Checksums> checksums_;
    const std::uint64_t size_;
    const Mode mode_;
};

} // namespace gmemfs::block
