#include "fuse/core/budget.hpp"

#include "vmm/base/units.hpp"

namespace gmemfs {

Result<void> Budget::reserve(std::uint64_t bytes) {
    const Hold hold(mutex_);
    if (bytes > capacity_ - used_)
        return Error{ENOSPC, 0, "reserve space",
            format_size(bytes) + " wanted, " + format_size(capacity_ - used_) + " of " + format_size(capacity_) +
                " left"};
    used_ += bytes;
    return {};
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
