// Quota: limits how much device memory the files of one user may take.
#pragma once

#include "vmm/base/lock.hpp"
#include "vmm/base/result.hpp"

#include <cstdint>
#include <map>
#include <sys/types.h>

namespace gmemfs {

/// The users that have a limit, and what their files take. Thread-safe; a leaf in the order of locks. Outlives all
/// Charges.
class Quotas {
public:
    struct Quota {
        std::uint64_t limit; ///< bytes
        std::uint64_t used;  ///< bytes of the extents and slots of all files that the user owns
    };
    using Limits = std::map<uid_t, std::uint64_t>; ///< bytes; users that aren't there have no limit
    explicit Quotas(const Limits &limits) {
        for (const auto &[user, limit] : limits) quotas_[user] = {limit, 0};
    }

    std::map<uid_t, Quota> report() const EXCLUDES(mutex_) {
        const Hold hold(mutex_);
        return quotas_;
    }

private:
    friend class Charge;
    Result<void> add(uid_t user, std::uint64_t bytes) EXCLUDES(mutex_);
    void add_anyway(uid_t user, std::uint64_t bytes) EXCLUDES(mutex_);
    void subtract(uid_t user, std::uint64_t bytes) EXCLUDES(mutex_);

    mutable Mutex mutex_;
    std::map<uid_t, Quota> quotas_ GUARDED_BY(mutex_); // no entry is ever added or removed
};

/// What one file is charged for. The destructor gives all of it back. Not thread-safe: the file's layout lock protects
/// it.
class Charge {
public:
    explicit Charge(Quotas &quotas) : quotas_(quotas) {}
    ~Charge() { lower_to(0); }
    Charge(const Charge &) = delete;
    Charge &operator=(const Charge &) = delete;

    std::uint64_t bytes() const { return bytes_; }
    /// Charges at least `bytes`, before they are allocated. EDQUOT: the user's quota is full; nothing has changed.
    Result<void> raise_to(std::uint64_t bytes);
    /// The same for memory that is there already, also over quota, which may be smaller after a restart.
    void raise_anyway(std::uint64_t bytes);
    void lower_to(std::uint64_t bytes);
    /// Charges another user instead. EDQUOT: that user's quota is full; the old user is still charged.
    Result<void> move_to(uid_t user);

private:
    Quotas &quotas_;
    uid_t user_ = 0;
    std::uint64_t bytes_ = 0;
};

} // namespace gmemfs
