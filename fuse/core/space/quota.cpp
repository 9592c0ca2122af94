#include "fuse/core/space/quota.hpp"

#include "vmm/base/units.hpp"

#include <cerrno>

namespace gmemfs {

Result<void> Quotas::add(uid_t user, std::uint64_t bytes) {
    const Hold hold(mutex_);
    const auto found = quotas_.find(user);
    if (found == quotas_.end()) return {};
    Quota &quota = found->second;
    if (quota.used > quota.limit || bytes > quota.limit - quota.used)
        return Error{EDQUOT, 0, "reserve space",
            format_size(bytes) + " wanted, and user " + std::to_string(user) + " has " + format_size(quota.used) +
                " of " + format_size(quota.limit)};
    quota.used += bytes;
    return {};
}

void Quotas::add_anyway(uid_t user, std::uint64_t bytes) {
    const Hold hold(mutex_);
    const auto found = quotas_.find(user);
    if (found != quotas_.end()) found->second.used += bytes;
}

void Quotas::subtract(uid_t user, std::uint64_t bytes) {
    const Hold hold(mutex_);
    const auto found = quotas_.find(user);
    if (found == quotas_.end()) return;
    GMEMFS_ASSERT(bytes <= found->second.used);
    found->second.used -= bytes;
}

Result<void> Charge::raise_to(std::uint64_t bytes) {
    if (bytes <= bytes_) return {};
    TRY(quotas_.add(user_, bytes - bytes_));
    bytes_ = bytes;
    return {};
}

void Charge::raise_anyway(std::uint64_t bytes) {
    if (bytes <= bytes_) return;
    quotas_.add_anyway(user_, bytes - bytes_);
    bytes_ = bytes;
}

void Charge::lower_to(std::uint64_t bytes) {
    if (bytes >= bytes_) return;
    quotas_.subtract(user_, bytes_ - bytes);
    bytes_ = bytes;
}

Result<void> Charge::move_to(uid_t user) {
    if (user == user_) return {};
    TRY(quotas_.add(user, bytes_));
    quotas_.subtract(user_, bytes_);
    user_ = user;
    return {};
}

} // namespace gmemfs
