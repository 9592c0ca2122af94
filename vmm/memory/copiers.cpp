#include "vmm/memory/copiers.hpp"

#include <algorithm>
#include <bit>

namespace gmemfs {

Result<Copiers> Copiers::create(const std::vector<std::unique_ptr<Device>> &devices) {
    GMEMFS_ASSERT(devices.size() <= 64);
    Copiers copiers;
    for (const auto &device : devices)
        copiers.copiers_.push_back(std::make_unique<Copier>(TRY(Copier::create(*device))));
    if (std::ranges::all_of(devices, [](const auto &device) { return device->failed(); }))
        return devices.front()->make_current().error();
    return copiers;
}

// The host's memory: the first device that isn't lost.
std::size_t Copiers::index_of_host(const Device &device) const {
    GMEMFS_ASSERT(device.info().is_host()); // else this thread has no copier for it
    const auto usable = std::ranges::find_if(copiers_, [](const auto &copier) { return !copier->device().failed(); });
    return usable == copiers_.end() ? 0 : static_cast<std::size_t>(usable - copiers_.begin());
}

Result<void> Copiers::queue_copy(Slice from, Slice to) {
    Device &source = from.extent->device(), &target = to.extent->device();
    if (&source == &target || target.info().is_host()) return use(source).queue_copy(from, to);
    if (source.info().is_host()) return use(target).queue_copy(from, to);
    TRY(target.check_alive()); // the source's context may be lost with a copy to it
    // Source or target, whichever is open to the other: the driver finds the way. A source lives on, and a target is
    // mostly new.
    source.about_to_copy_to(target);
    TRY(from.extent->let_in(target, from.length));
    return use(source).queue_copy_to(target, from, to);
}

Result<std::span<const CUevent>> Copiers::marks() {
    marks_.clear();
    for (std::uint64_t left = used_; left != 0; left &= left - 1) {
        Copier &copier = *copiers_[static_cast<std::size_t>(std::countr_zero(left))];
        if (!copier.device().failed()) marks_.push_back(TRY(copier.mark()));
    }
    return std::span<const CUevent>(marks_);
}

Result<void> Copiers::wait() {
    Result<void> waited;
    for (; used_ != 0; used_ &= used_ - 1) {
        Result<void> one = copiers_[static_cast<std::size_t>(std::countr_zero(used_))]->wait();
        if (!one && waited) waited = std::move(one);
    }
    return waited;
}

Result<void> Copiers::wait_after(const Result<void> &queued) {
    Result<void> waited = wait();
    if (!queued) [[unlikely]]
        return queued;
    return waited;
}

} // namespace gmemfs
