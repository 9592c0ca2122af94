#include "pool/memory/pool_extent.hpp"

#include "pool/memory/figures.hpp"
#include "vmm/base/units.hpp"

namespace gmemfs::pool {

Result<std::unique_ptr<PoolExtent>> PoolExtent::create(
    const Driver &driver, const DeviceInfo &device, std::uint64_t size, ExtentFiles &files, ExtentFiles::Kind kind) {
    const std::uint64_t whole = round_up(size, device.granularity);
    const Allocation allocation = TRY(Allocation::create(driver, device, whole, HandlePolicy::automatic));
    Result<Mapping> mapping = Mapping::create(driver, device, allocation, whole);
    if (!mapping) return Error(mapping.error());
    const Result<Fd> memory = allocation.export_fd();
    if (!memory) return Error(memory.error());
    Result<std::unique_ptr<ExtentFiles::Listed>> listed = files.add(kind, device, whole, *memory);
    if (!listed) return Error(listed.error());
    return std::unique_ptr<PoolExtent>(new PoolExtent(device, *std::move(mapping), *std::move(listed)));
}

Result<std::unique_ptr<PoolExtent>> PoolExtent::create_in_host(
    const Driver &driver, const DeviceInfo &host, std::uint64_t size) {
    const std::uint64_t whole = round_up(size, host.granularity);
    const Allocation allocation = TRY(Allocation::create(driver, host, whole, HandlePolicy::fd));
    Result<Mapping> mapping = Mapping::create(driver, host, allocation, whole);
    if (!mapping) return Error(mapping.error());
    return std::unique_ptr<PoolExtent>(new PoolExtent(host, *std::move(mapping), nullptr));
}

PoolExtent::PoolExtent(const DeviceInfo &device, Mapping mapping, std::unique_ptr<ExtentFiles::Listed> listed)
    : size_(mapping.size()), is_host_(device.is_host()), users_(device.users), listed_(std::move(listed)),
      mapping_(std::move(mapping)) {
    if (is_host_) own_figures().spilled += size_;
    own_figures().held += charged();
    if (!listed_) own_figures().unlisted += charged();
}

PoolExtent::~PoolExtent() {
    if (is_host_) own_figures().spilled -= size_;
    own_figures().held -= charged();
    if (!listed_) own_figures().unlisted -= charged();
}

} // namespace gmemfs::pool
