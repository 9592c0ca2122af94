#include "vmm/memory/mapping.hpp"

#include <utility>
#include <vector>

namespace gmemfs {

Result<Mapping> Mapping::create(
    const Driver &driver, const DeviceInfo &device, const Allocation &allocation, std::uint64_t size) {
    Mapping mapping(driver, size); // from here on its destructor undoes what has been done
    TRY(driver.check(driver.cuMemAddressReserve(&mapping.address_, size, 0, 0, 0), "reserve addresses",
        {{CUDA_ERROR_OUT_OF_MEMORY, ENOMEM}}));
    TRY(driver.check(driver.cuMemMap(mapping.address_, size, 0, allocation.handle(), 0), "map extent"));
    mapping.mapped_ = true;
    std::vector<CUmemAccessDesc> access;
    for (const CUdevice user : device.users) {
        access.emplace_back();
        access.back().location.type = CU_MEM_LOCATION_TYPE_DEVICE;
        access.back().location.id = user;
        access.back().flags = CU_MEM_ACCESS_FLAGS_PROT_READWRITE;
    }
    TRY(driver.check(
        driver.cuMemSetAccess(mapping.address_, size, access.data(), access.size()), "make extent accessible"));
    return mapping;
}

Mapping::Mapping(Mapping &&other) noexcept
    : driver_(other.driver_), address_(std::exchange(other.address_, 0)), size_(other.size_),
      mapped_(std::exchange(other.mapped_, false)) {}

Mapping::~Mapping() {
    if (mapped_) driver_->cuMemUnmap(address_, size_);
    if (address_ != 0) driver_->cuMemAddressFree(address_, size_);
}

} // namespace gmemfs
