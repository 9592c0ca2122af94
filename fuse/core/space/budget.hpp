// Budget: counts the bytes of device memory that the filesystem may use, and reserves them before they are promised.
#pragma once

#include "vmm/base/lock.hpp"
#include "vmm/base/result.hpp"

#include <cstdint>

namespace gmemfs {

/// Thread-safe. A leaf in the order of locks.
class Budget {
public:
    /// `capacity` in bytes: `--capacity`, or the memory of all devices.
    explicit Budget(std::uint64_t capacity) : capacity_(capacity) {}

    /// ENOSPC: not so many bytes are left; nothing was reserved.
    Result<void> reserve(std::uint64_t bytes) EXCLUDES(mutex_);
    /// Reserves for memory that is in use already, also beyond the capacity, which may be lower than before. Then
    /// nothing is left until enough was released.
    void reserve_anyway(std::uint64_t bytes) EXCLUDES(mutex_);
    void release(std::uint64_t bytes) EXCLUDES(mutex_);

    std::uint64_t capacity() const { return capacity_; }
    std::uint64_t used() const EXCLUDES(mutex_);

private:
    const std::uint64_t capacity_;
    mutable Mutex mutex_;
    std::uint64_t used_ GUARDED_BY(mutex_) = 0;
};

} // namespace gmemfs
