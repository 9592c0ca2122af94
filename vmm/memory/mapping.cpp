#include "vmm/memory/mapping.hpp"

#include <cerrno>
#include <utility>
#include <vector>

namespace gmemfs {
namespace {

CUmemAccessDesc access_of(CUdevice user) {
    CUmemAccessDesc access = {};
    access.location.type = CU_MEM_LOCATION_TYPE_DEVICE;
    access.location.id = user;
    access.flags = CU_MEM_ACCESS_FLAGS_PROT_READWRITE;
    return access;
}

} // namespace

Result<Mapping> Mapping::create(
    const Driver &driver, const DeviceInfo &device, const Allocation &allocation, std::uint64_t size) {
    Mapping mapping = TRY(create_closed(driver, allocation, size));
    TRY(mapping.open(device));
    return mapping;
}

Result<Mapping> Mapping::create_closed(const Driver &driver, const Allocation &allocation, std::uint64_t size) {
    Mapping mapping(driver, size); // from here on its destructor undoes what has been done
    TRY(driver.check(driver.cuMemAddressReserve(&mapping.address_, size, 0, 0, 0), "reserve addresses",
        {{CUDA_ERROR_OUT_OF_MEMORY, ENOMEM}}));
    TRY(driver.check(driver.cuMemMap(mapping.address_, size, 0, allocation.handle(), 0), "map extent"));
    mapping.mapped_ = true;
    return mapping;
}

Result<void> Mapping::open(const DeviceInfo &device) {
    std::vector<CUmemAccessDesc> access;
    for (const CUdevice user : device.users) access.push_back(access_of(user));
    CUresult opened = driver_->cuMemSetAccess(address_, size_, access.data(), access.size());
    // One of those that use host memory may be lost.
    if (opened != CUDA_SUCCESS && access.size() > 1)
        for (const CUmemAccessDesc &one : access)
            if (driver_->cuMemSetAccess(address_, size_, &one, 1) == CUDA_SUCCESS) opened = CUDA_SUCCESS;
    return driver_->check(opened, "make extent accessible");
}

Result<void> Mapping::let_in(const DeviceInfo &owner, const DeviceInfo &user) {
    int can = 0;
    TRY(driver_->check(driver_->cuDeviceCanAccessPeer(&can, user.handle, owner.handle), "ask for peer access"));
    if (can == 0) return Error{EXDEV, 0, "reach memory of another device", "there is no peer access between them"};
    const CUmemAccessDesc access = access_of(user.handle);
    return driver_->check(driver_->cuMemSetAccess(address_, size_, &access, 1), "make extent accessible");
}

Mapping::Mapping(Mapping &&other) noexcept
    : driver_(other.driver_), address_(std::exchange(other.address_, 0)), size_(other.size_),
      mapped_(std::exchange(other.mapped_, false)) {}

Mapping::~Mapping() {
    if (mapped_) driver_->cuMemUnmap(address_, size_);
    if (address_ != 0) driver_->cuMemAddressFree(address_, size_);
}

} // namespace gmemfs
