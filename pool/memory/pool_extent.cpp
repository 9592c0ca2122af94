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
    std::unique_ptr<PoolExtent> extent(new PoolExtent(whole, device.users));
    extent->listed_ = *std::move(listed);
    extent->mapping_.emplace(*std::move(mapping));
    own_figures().held += whole;
    if (!extent->listed_) own_figures().unlisted += whole;
    return extent;
}

PoolExtent::~PoolExtent() {
    own_figures().held -= size_;
    if (!listed_) own_figures().unlisted -= size_;
}

} // namespace gmemfs::pool
