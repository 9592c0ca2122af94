#include "pool/memory/own_allocations.hpp"

#include "pool/memory/figures.hpp"

#include <iterator>
#include <vector>

namespace gmemfs::pool {

OwnAllocation::OwnAllocation(
    std::unique_ptr<ExtentFiles::Listed> listed, Limit &limit, std::uint64_t size, unsigned library)
    : listed_(std::move(listed)), limit_(limit), size_(size), library_(library) {
    own_figures().held += size_;
    own_figures().add_used(size_, library_);
    block_table::Slot *const seen = listed_ ? listed_->row().whole() : nullptr;
    if (seen != nullptr) BlockEntry(seen).take(listed_->row().place_of(0), {size_, 0, 0});
    if (listed_) return;
    own_figures().unlisted += size_;
    own_figures().kinds[PoolFigures::created].count += 1;
    own_figures().kinds[PoolFigures::created].bytes += size_;
}

OwnAllocation::~OwnAllocation() {
    own_figures().held -= size_;
    own_figures().drop_used(size_, library_);
    if (!listed_) {
        own_figures().unlisted -= size_;
        own_figures().kinds[PoolFigures::created].count -= 1;
        own_figures().kinds[PoolFigures::created].bytes -= size_;
    }
    limit_.give(size_);
}

void OwnAllocations::created(CUmemGenericAllocationHandle handle, std::shared_ptr<OwnAllocation> made) {
    const Hold hold(mutex_);
    handles_[handle] = {std::move(made), 1};
}

void OwnAllocations::retained(CUmemGenericAllocationHandle handle, CUdeviceptr address) {
    const Hold hold(mutex_);
    if (const auto known = handles_.find(handle); known != handles_.end()) {
        ++known->second.count;
        return;
    }
    const auto after = mappings_.upper_bound(address);
    if (after == mappings_.begin()) return;
    const auto &[start, mapped] = *std::prev(after);
    if (address - start < mapped.size) handles_[handle] = {mapped.allocation, 1};
}

void OwnAllocations::released(CUmemGenericAllocationHandle handle) {
    std::shared_ptr<OwnAllocation> last; // goes after the lock
    const Hold hold(mutex_);
    const auto known = handles_.find(handle);
    if (known == handles_.end() || --known->second.count != 0) return;
    last = std::move(known->second.allocation);
    handles_.erase(known);
}

void OwnAllocations::mapped(CUdeviceptr address, std::uint64_t size, CUmemGenericAllocationHandle handle) {
    const Hold hold(mutex_);
    if (const auto known = handles_.find(handle); known != handles_.end())
        mappings_[address] = {size, known->second.allocation};
}

void OwnAllocations::unmapped(CUdeviceptr address, std::uint64_t size) {
    std::vector<std::shared_ptr<OwnAllocation>> last; // the same
    const Hold hold(mutex_);
    const auto first = mappings_.lower_bound(address);
    const auto end = mappings_.lower_bound(address + size);
    for (auto each = first; each != end; ++each) last.push_back(std::move(each->second.allocation));
    mappings_.erase(first, end);
}

std::optional<DevicePool::Place> OwnAllocations::locate(CUdeviceptr address) {
    const Hold hold(mutex_);
    const auto after = mappings_.upper_bound(address);
    if (after == mappings_.begin()) return std::nullopt;
    const auto &[start, mapped] = *std::prev(after);
    if (address - start >= mapped.size) return std::nullopt;
    return DevicePool::Place{start, mapped.size, 0, mapped.allocation->path()};
}

} // namespace gmemfs::pool
