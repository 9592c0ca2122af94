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

Result<std::unique_ptr<Disk>> Disk::make(std::shared_ptr<const client::Devices> devices, const DeviceInfo &info,
    std::uint64_t size, Mode mode, std::span<std::uint32_t> checksums) {
    std::unique_ptr<Disk> disk(new Disk(std::move(devices), size, mode));
    disk->device_ = TRY(Device::open(*disk->devices_->driver, info));
    if (!checksums.empty()) disk->checksums_.emplace(checksums);
    return disk;
}

Result<client::AddressRange> Disk::map(client::Attached &attached) const {
    const client::Access access = mode_ == Mode::read_only ? client::Access::read : client::Access::write;
    return client::AddressRange::create(*devices_->driver, devices_->all, attached, access,
        {client::Reach::Kind::listed, {device_->info().ordinal}}, 0);
}

Result<std::unique_ptr<Disk>> Disk::open(std::shared_ptr<const client::Devices> devices, client::Attached &attached,
    std::uint64_t size, Mode mode, std::span<std::uint32_t> checksums) {
    GMEMFS_ASSERT(!attached.extents.empty() && size <= attached.allocated);
    const DeviceInfo &info = *TRY(find_device(*devices, attached));
    std::unique_ptr<Disk> disk = TRY(make(std::move(devices), info, size, mode, checksums));
    Result<client::AddressRange> range = disk->map(attached);
    if (!range) return Error(std::move(range.error()));
    disk->range_.emplace(*std::move(range));
    return disk;
}

Result<std::unique_ptr<Disk>> Disk::open_thin(std::shared_ptr<const client::Devices> devices, const std::string &device,
    std::uint64_t size, Mode mode, std::span<std::uint32_t> checksums, std::span<std::uint64_t> written) {
    if (devices->all.empty()) return Error{ENODEV, 0, "open disk", "this process sees no device"};
    const auto found = std::find_if(
        devices->all.begin(), devices->all.end(), [&](const DeviceInfo &info) { return info.uuid_text() == device; });
    const DeviceInfo &info = found == devices->all.end() ? devices->all.front() : *found;
    std::unique_ptr<Disk> disk = TRY(make(std::move(devices), info, size, mode, checksums));
    disk->parts_ = TRY(Parts::create(written));
    GMEMFS_ASSERT(size <= disk->parts_->count() * kPartSize);
    return disk;
}

Result<void> Disk::add_part(std::uint32_t index, client::Attached &attached) {
    GMEMFS_ASSERT(attached.allocated >= kPartSize);
    if (parts_->has(index)) return {};
    Result<client::AddressRange> range = map(attached);
    if (!range) return Error(std::move(range.error()));
    parts_->put(index, std::make_unique<client::AddressRange>(*std::move(range)));
    return {};
}

} // namespace gmemfs::block
