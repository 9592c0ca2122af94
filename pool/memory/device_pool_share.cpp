// DevicePool, sharing: where blocks are in files, other devices' access, other processes' handles, and what is lent.
#include "pool/memory/device_pool.hpp"
#include "vmm/base/units.hpp"

#include <algorithm>

namespace gmemfs::pool {

std::optional<DevicePool::Place> DevicePool::locate(CUdeviceptr address) {
    const Hold hold(mutex_);
    const std::optional<Block> block = find_block(address);
    if (!block) return std::nullopt;
    const PoolExtent &extent = extent_of(block->address);
    return Place{block->address, block->size, block->address - extent.address(), extent.path()};
}

Result<IpcHandle> DevicePool::share(CUdeviceptr address) {
    const Hold hold(mutex_);
    const std::optional<Block> block = find_block(address);
    if (!block) return Error{ENOENT, 0, "share memory", "no block of the pool has this address"};
    if (!block->is_shareable) return Error{ENOTSUP, 0, "share memory", "it is no file, because its mount is gone"};
    const PoolExtent &extent = extent_of(block->address);
    auto shared = shared_.find(block->address);
    if (shared == shared_.end()) {
        const Exports::Slot slot = TRY(exports_.add(block->address - extent.address(), block->size));
        shared = shared_.emplace(block->address, slot).first;
    }
    return exports_.handle(shared->second, *extent.listed()->ticket());
}

void DevicePool::revoke(CUdeviceptr address) {
    if (const auto shared = shared_.find(address); shared != shared_.end()) exports_.revoke(shared->second);
}

bool DevicePool::is_lent(CUdeviceptr address) {
    const auto shared = shared_.find(address);
    return shared != shared_.end() && exports_.is_open(shared->second);
}

bool DevicePool::take_back() {
    std::vector<Extent> none;
    const std::size_t before = lent_.size();
    for (const CUdeviceptr address : std::exchange(lent_, {})) {
        waiting_bytes_ += round_up(find_entry(address)->size(), kUnit); // as before its first fence
        make_free(address, none);
    }
    return lent_.size() < before;
}

Result<void> DevicePool::open(const PoolExtent &extent, CUdevice user) const {
    CUmemAccessDesc access = {};
    access.location.type = CU_MEM_LOCATION_TYPE_DEVICE;
    access.location.id = user;
    access.flags = CU_MEM_ACCESS_FLAGS_PROT_READWRITE;
    return driver_.check(
        driver_.cuMemSetAccess(extent.address(), extent.size(), &access, 1), "open the pool to another device");
}

Result<void> DevicePool::open_to_late(const PoolExtent &extent) {
    for (const CUdevice user : users_)
        if (!extent.is_open_to(user)) TRY(open(extent, user));
    return {};
}

Result<void> DevicePool::open_to(CUdevice user) {
    const Hold hold(mutex_);
    if (std::find(users_.begin(), users_.end(), user) != users_.end()) return {};
    for (const auto &[end, arena] : arenas_) TRY(open(*arena.extent, user));
    for (const auto &[address, large] : large_) TRY(open(*large, user));
    users_.push_back(user);
    return {};
}

std::uint64_t DevicePool::idle() {
    const Hold hold(mutex_);
    return fit_.free_units() * kUnit + waiting_bytes_;
}

} // namespace gmemfs::pool
