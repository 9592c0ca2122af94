#include "client/lib/address_range.hpp"

#include "vmm/memory/allocation.hpp"

#include <algorithm>
#include <set>
#include <utility>

namespace gmemfs::client {
namespace {

bool can_reach(const Driver &driver, CUdevice device, const std::vector<CUdevice> &owners) {
    return std::all_of(owners.begin(), owners.end(), [&](CUdevice owner) {
        int can = 0;
        return driver.cuDeviceCanAccessPeer(&can, device, owner) == CUDA_SUCCESS && can != 0;
    });
}

} // namespace

Result<std::shared_ptr<const Addresses>> Addresses::reserve(
    const Driver &driver, std::uint64_t size, std::uint64_t wished) {
    CUdeviceptr start = 0;
    TRY(driver.check(driver.cuMemAddressReserve(&start, size, 0, wished, 0), "reserve addresses",
        {{CUDA_ERROR_OUT_OF_MEMORY, ENOMEM}}));
    std::shared_ptr<const Addresses> reserved(new Addresses(driver, start, size));
    if (wished == 0 || start == wished) return reserved;
    return Error{EADDRINUSE, 0, "reserve addresses", "the wished address is in use in this process"};
}

Result<AddressRange> AddressRange::create(const Driver &driver, const std::vector<DeviceInfo> &devices,
    Attached &attached, Access access, const Reach &reach, std::uint64_t wished) {
    std::shared_ptr<const Addresses> addresses = TRY(Addresses::reserve(driver, attached.allocated, wished));
    return create_at(std::move(addresses), driver, devices, attached, access, reach);
}

Result<AddressRange> AddressRange::create_at(std::shared_ptr<const Addresses> addresses, const Driver &driver,
    const std::vector<DeviceInfo> &devices, Attached &attached, Access access, const Reach &reach) {
    if (addresses->size() != attached.allocated)
        return Error{EINVAL, 0, "map at reserved addresses", "the file has another size than when it was there"};
    AddressRange range(driver, std::move(addresses)); // from here on its destructor undoes what has been done
    TRY(range.map(attached));
    TRY(range.allow(devices, attached, access, reach));
    if (attached.extents.front().device == kHostUuid) TRY(range.allow_processors(access));
    return range;
}

Result<void> AddressRange::map(Attached &attached) {
    auto fd = attached.fds.begin();
    for (const protocol::ExtentRecord &extent : attached.extents) {
        const bool is_fabric = extent.handle_type == protocol::kFabric;
        Result<Allocation> memory =
            is_fabric ? Allocation::import_fabric(*driver_, extent.fabric) : Allocation::import_fd(*driver_, *fd);
        if (!is_fabric) (fd++)->reset();
        if (!memory) return Error(std::move(memory.error()));
        TRY(driver_->check(
            driver_->cuMemMap(address() + extent.offset, extent.length, 0, memory->handle(), 0), "map extent"));
        ends_.push_back(extent.offset + extent.length); // the mapping holds the memory: the handle goes back here
    }
    return {};
}

Result<void> AddressRange::allow(
    const std::vector<DeviceInfo> &devices, const Attached &attached, Access access, const Reach &reach) {
    std::set<std::array<std::uint8_t, 16>> wanted;
    for (const protocol::ExtentRecord &extent : attached.extents) wanted.insert(extent.device);
    wanted.erase(kHostUuid); // which is every device's
    std::vector<const DeviceInfo *> others;
    for (const DeviceInfo &device : devices) {
        if (wanted.erase(device.uuid) != 0)
            allowed_.push_back(device.handle);
        else
            others.push_back(&device);
    }
    if (!wanted.empty())
        return Error{ENODEV, 0, "map file", "this process doesn't see its device: mind CUDA_VISIBLE_DEVICES"};
    for (const int ordinal : reach.ordinals)
        if (ordinal < 0 || static_cast<std::size_t>(ordinal) >= devices.size())
            return Error{ENODEV, 0, "map file", "this process has no device " + std::to_string(ordinal)};
    const std::vector<CUdevice> owners = allowed_;
    for (const DeviceInfo *const device : others) {
        const bool is_listed =
            std::find(reach.ordinals.begin(), reach.ordinals.end(), device->ordinal) != reach.ordinals.end();
        if (reach.kind != Reach::Kind::all && !is_listed) continue;
        if (can_reach(*driver_, device->handle, owners))
            allowed_.push_back(device->handle);
        else if (is_listed)
            return Error{ENOTSUP, 0, "map file",
                "device " + std::to_string(device->ordinal) +
                    " can't reach the memory of the file's: nvidia-smi topo -p2p r"};
    }
    if (allowed_.empty())
        return Error{ENODEV, 0, "map file", "it lies in host memory, and no device is listed that may use it"};
    if (reach.kind == Reach::Kind::own) {
        for (const protocol::ExtentRecord &extent : attached.extents) {
            const auto its = std::find_if(
                devices.begin(), devices.end(), [&](const DeviceInfo &device) { return device.uuid == extent.device; });
            const std::vector<CUdevice> users = its == devices.end() ? allowed_ : std::vector<CUdevice>{its->handle};
            TRY(set_access(extent.offset, extent.length, users, access)); // host memory is every device's
        }
        return {};
    }
    Result<void> set = set_access(access);
    if (set || allowed_ == owners || reach.kind == Reach::Kind::listed) return set;
    allowed_ = owners; // nobody has asked for the others by name
    return set_access(access);
}

// After the devices: the driver takes one kind at a time.
Result<void> AddressRange::allow_processors(Access access) {
    CUmemAccessDesc description = {};
    description.location.type = CU_MEM_LOCATION_TYPE_HOST;
    description.flags = access == Access::read ? CU_MEM_ACCESS_FLAGS_PROT_READ : CU_MEM_ACCESS_FLAGS_PROT_READWRITE;
    TRY(driver_->check(
        driver_->cuMemSetAccess(address(), size(), &description, 1), "make extents accessible to processors"));
    // One address for both (H200, driver 580). The driver is asked, where a context is current, as it wants.
    void *there = nullptr;
    const bool is_told =
        driver_->cuPointerGetAttribute != nullptr &&
        driver_->cuPointerGetAttribute(&there, CU_POINTER_ATTRIBUTE_HOST_POINTER, address()) == CUDA_SUCCESS;
    host_address_ = is_told ? reinterpret_cast<std::uint64_t>(there) : address();
    return {};
}

Result<void> AddressRange::set_access(Access access) { return set_access(0, size(), allowed_, access); }

Result<void> AddressRange::set_access(
    std::uint64_t offset, std::uint64_t length, const std::vector<CUdevice> &users, Access access) {
    std::vector<CUmemAccessDesc> descriptions;
    for (const CUdevice device : users) {
        CUmemAccessDesc description = {};
        description.location.type = CU_MEM_LOCATION_TYPE_DEVICE;
        description.location.id = device;
        description.flags = access == Access::read ? CU_MEM_ACCESS_FLAGS_PROT_READ : CU_MEM_ACCESS_FLAGS_PROT_READWRITE;
        descriptions.push_back(description);
    }
    return driver_->check(driver_->cuMemSetAccess(address() + offset, length, descriptions.data(), descriptions.size()),
        "make extents accessible");
}

std::uint64_t AddressRange::extent_end(std::uint64_t offset) const {
    const auto found = std::upper_bound(ends_.begin(), ends_.end(), offset);
    GMEMFS_ASSERT(found != ends_.end());
    return *found;
}

AddressRange::AddressRange(AddressRange &&other) noexcept
    : driver_(other.driver_), addresses_(std::exchange(other.addresses_, nullptr)),
      ends_(std::exchange(other.ends_, {})), allowed_(std::move(other.allowed_)), host_address_(other.host_address_) {}

AddressRange::~AddressRange() {
    std::uint64_t start = 0;
    for (const std::uint64_t end : ends_) {
        driver_->cuMemUnmap(address() + start, end - start);
        start = end;
    }
}

} // namespace gmemfs::client
