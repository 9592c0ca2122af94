#include "block/disk/disk.hpp"

#include <algorithm>

namespace gmemfs::block {
namespace {

// Copies of host memory go by any device that reaches it.
Result<const DeviceInfo *> find_device(const client::Devices &devices, const client::Attached &attached) {
    if (devices.all.empty()) return Error{ENODEV, 0, "open disk", "this process sees no device"};
    const std::array<std::uint8_t, 16> &uuid = attached.extents.front().device;
    if (uuid == kHostUuid) return &devices.all.front();
    const auto found = std::find_if(
        devices.all.begin(), devices.all.end(), [&](const DeviceInfo &device) { return device.uuid == uuid; });
    if (found != devices.all.end()) return &*found;
    return Error{ENODEV, 0, "open disk", "this process doesn't see the file's device: mind CUDA_VISIBLE_DEVICES"};
}

} // namespace

Result<std::unique_ptr<Disk>> Disk::open(std::shared_ptr<const client::Devices> devices, client::Attached &attached,
    std::uint64_t size, Mode mode, std::span<std::uint32_t> checksums) {
    GMEMFS_ASSERT(!attached.extents.empty() && size <= attached.allocated);
    const DeviceInfo &info = *TRY(find_device(*devices, attached));
    std::unique_ptr<Disk> disk(new Disk(std::move(devices), size, mode));
    disk->device_ = TRY(Device::open(*disk->devices_->driver, info));
    const client::Access access = mode == Mode::read_only ? client::Access::read : client::Access::write;
    Result<client::AddressRange> range = client::AddressRange::create(*disk->devices_->driver, disk->devices_->all,
        attached, access, {client::Reach::Kind::listed, {info.ordinal}}, 0);
    if (!range) return Error(std::move(range.error()));
    disk->range_.emplace(*std::move(range));
    if (!checksums.empty()) disk->checksums_.emplace(checksums);
    return disk;
}

} // namespace gmemfs::block
