#include "vmm/keeper.hpp"

namespace gmemfs {

// Driver calls run outside the mutex: creating 64 GiB takes 0.4 ms and mapping it 1.7 ms (H200).

Result<Keeper::Id> Keeper::create(const DeviceInfo &device, std::uint64_t size) {
    auto allocation = std::make_shared<const Allocation>(TRY(Allocation::create(driver_, device, size, policy_)));
    const Hold hold(mutex_);
    const Id id = next_++;
    allocations_.emplace(id, std::move(allocation));
    return id;
}

Result<Mapping> Keeper::map(Id id, const DeviceInfo &device, std::uint64_t size) {
    return Mapping::create(driver_, device, *find(id), size);
}

void Keeper::release(Id id) {
    std::shared_ptr<const Allocation> last; // released after the mutex
    const Hold hold(mutex_);
    const auto found = allocations_.find(id);
    GMEMFS_ASSERT(found != allocations_.end());
    last = std::move(found->second);
    allocations_.erase(found);
}

bool Keeper::has_fabric(Id id) { return find(id)->has_fabric(); }
Result<FabricHandle> Keeper::export_fabric(Id id) { return find(id)->export_fabric(); }
Result<Fd> Keeper::export_fd(Id id) { return find(id)->export_fd(); }

std::size_t Keeper::count() {
    const Hold hold(mutex_);
    return allocations_.size();
}

std::shared_ptr<const Allocation> Keeper::find(Id id) {
    const Hold hold(mutex_);
    const auto found = allocations_.find(id);
    GMEMFS_ASSERT(found != allocations_.end());
    return found->second;
}

} // namespace gmemfs
