#include "pool/memory/spill.hpp"

#include "vmm/base/units.hpp"

namespace gmemfs::pool {
namespace {

constexpr std::uint64_t kLeftShare = 16; // of the host's memory

} // namespace

Result<Spill> Spill::to_host(const Driver &driver, const DeviceInfo &device) {
    Result<DeviceInfo> host = DeviceInfo::query_host(driver, {device});
    if (!host) return Error(host.error());
    Spill spill;
    spill.host_ = *std::move(host);
    return spill;
}

Result<std::unique_ptr<PoolExtent>> Spill::make(
    const Driver &driver, const std::vector<CUdevice> &users, std::uint64_t size, const Error &refused) const {
    // The driver takes host memory at once, and whoever took the last of it would be killed.
    if (!host_ || size > host_->total) return Error(refused);
    const std::uint64_t whole = round_up(size, host_->granularity);
    if (available_host_memory() < whole + host_->total / kLeftShare) return Error(refused);
    DeviceInfo host = *host_;
    host.users = users;
    Result<std::unique_ptr<PoolExtent>> made = PoolExtent::create_in_host(driver, host, whole);
    return made ? std::move(made) : Error(refused);
}

} // namespace gmemfs::pool
