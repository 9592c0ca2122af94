#include "client/lib/file_mapping.hpp"

#include "client/lib/device_wait.hpp"

#include <algorithm>

namespace gmemfs::client {
namespace {

// Of host memory the first device that may use it.
int ordinal_of(const Devices &devices, const AddressRange &range, const std::array<std::uint8_t, 16> &uuid) {
    const auto found = std::find_if(devices.all.begin(), devices.all.end(), [&](const DeviceInfo &device) {
        return uuid == kHostUuid ? device.handle == range.devices().front() : device.uuid == uuid;
    });
    GMEMFS_ASSERT(found != devices.all.end()); // AddressRange::create has found it
    return found->ordinal;
}

} // namespace

Result<std::shared_ptr<FileMapping>> FileMapping::create(std::shared_ptr<const Devices> devices, std::string path,
    std::shared_ptr<Connection> connection, Attached &attached, const gmemfs_map_options &options,
    std::shared_ptr<const Addresses> addresses) {
    const RelaxedCapture relaxed(*devices->driver);
    const Reach reach = {options.reach == GMEMFS_REACH_OWN ? Reach::Kind::own
                         : options.devices == nullptr      ? Reach::Kind::all
                                                           : Reach::Kind::listed,
        std::vector<int>(options.devices, options.devices + (options.devices == nullptr ? 0 : options.device_count))};
    const Driver &driver = *devices->driver;
    const Access access = options.access == GMEMFS_READ ? Access::read : Access::write;
    Result<AddressRange> range =
        addresses != nullptr
            ? AddressRange::create_at(std::move(addresses), driver, devices->all, attached, access, reach)
            : AddressRange::create(driver, devices->all, attached, access, reach, options.address);
    if (!range) return about(path, range.error());
    const protocol::ExtentRecord &first = attached.extents.front();
    const gmemfs_mapping_info info = {sizeof info, range->address(), range->size(), attached.size,
        ordinal_of(*devices, *range, first.device), options.access,
        first.handle_type == protocol::kFabric ? GMEMFS_HANDLES_FABRIC : GMEMFS_HANDLES_FD,
        static_cast<unsigned>(attached.extents.size()), range->host_address()};
    return std::shared_ptr<FileMapping>(new FileMapping(
        std::move(devices), std::move(path), std::move(connection), attached.lease, *std::move(range), info));
}

FileMapping::FileMapping(std::shared_ptr<const Devices> devices, std::string path,
    std::shared_ptr<Connection> connection, std::uint64_t lease, AddressRange range, const gmemfs_mapping_info &info)
    : devices_(std::move(devices)), path_(std::move(path)), info_(info), lease_(lease),
      connection_(std::move(connection)), range_(std::move(range)) {}

FileMapping::Taken FileMapping::take() {
    const Hold hold(mutex_);
    return {std::exchange(range_, std::nullopt), std::move(connection_)};
}

std::shared_ptr<const Addresses> FileMapping::addresses() {
    const Hold hold(mutex_);
    return range_ ? range_->addresses() : nullptr;
}

// The lock isn't held while the device or the server is waited for.
Result<void> FileMapping::unmap() {
    auto [range, connection] = take();
    if (!range) return {};
    const RelaxedCapture relaxed(*devices_->driver);
    const Result<void> waited = wait_for_devices(*devices_->driver, range->devices());
    range.reset(); // before the broker may give the memory to others
    const Result<void> released = connection->release(lease_, path_);
    if (!waited) return about(path_ + ": it is unmapped", waited.error());
    return released ? Result<void>() : Result<void>(Error(released.error()));
}

Result<int> FileMapping::export_dma_buf(std::uint64_t offset, std::uint64_t length) {
    const Hold hold(mutex_);
    const Driver &driver = *devices_->driver;
    if (!range_) return Error{EINVAL, 0, "make dma-buf", path_ + ": it is unmapped"};
    const bool is_within = length != 0 && offset < range_->size() && length <= range_->extent_end(offset) - offset;
    if (!is_within)
        return Error{EINVAL, 0, "make dma-buf", path_ + ": the part isn't within one extent of the mapping"};
    if (driver.cuMemGetHandleForAddressRange == nullptr)
        return Error{ENOTSUP, 0, "make dma-buf", path_ + ": the driver is too old: it takes CUDA 11.7"};
    int fd = -1;
    const Result<void> made = driver.check(driver.cuMemGetHandleForAddressRange(&fd, range_->address() + offset, length,
                                               CU_MEM_RANGE_HANDLE_TYPE_DMA_BUF_FD, 0),
        "make dma-buf", {{CUDA_ERROR_INVALID_CONTEXT, EINVAL}});
    if (!made) return about(path_, made.error());
    return fd;
}

} // namespace gmemfs::client
