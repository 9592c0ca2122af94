#include "fuse/core/space/budget.hpp"

#include "vmm/base/units.hpp"

#include <algorithm>

namespace gmemfs {

Result<void> Budget::reserve(std::uint64_t bytes) {
    const Hold hold(mutex_);
    const std::uint64_t left = capacity_ - std::min(capacity_, used_);
    if (bytes > left)
        return Error{ENOSPC, 0, "reserve space",
            format_size(bytes) + " wanted, " + format_size(left) + " of " + format_size(capacity_) + " left"};
    used_ += bytes;
    return {};
}

void Budget::reserve_anyway(std::uint64_t bytes) {
    const Hold hold(mutex_);
    used_ += bytes;
}

void Budget::release(std::uint64_t bytes) {
    const Hold hold(mutex_);
    GMEMFS_ASSERT(bytes <= used_);
    used_ -= bytes;
}

std::uint64_t Budget::used() const {
    const Hold hold(mutex_);
    return used_;
}

} // namespace gmemfs
