// RangeLock: makes reads and writes of one file wait for each other where they touch the same bytes.
//
// So a write is seen whole or not at all, as on a local filesystem, and disjoint writes run at a time. First come,
// first served: a later request waits for an earlier one that waits, so that readers can't starve a writer.
#pragma once

#include "vmm/base/lock.hpp"

#include <cstdint>
#include <list>

namespace gmemfs {

/// Thread-safe. Taken under the layout lock, and held while waiting for the driver.
class RangeLock {
public:
    static constexpr std::uint64_t kToTheEnd = UINT64_MAX;

    /// Holds [offset, end) for as long as it lives.
    class [[nodiscard]] HeldRange {
    public:
        ~HeldRange() { lock_.release(at_); }
        HeldRange(const HeldRange &) = delete;
        HeldRange &operator=(const HeldRange &) = delete;

    private:
        friend class RangeLock;
        struct Entry {
            std::uint64_t offset, end;
            bool is_shared;
        };
        HeldRange(RangeLock &lock, std::list<Entry>::iterator at) : lock_(lock), at_(at) {}
        RangeLock &lock_;
        const std::list<Entry>::iterator at_;
    };

    HeldRange share(std::uint64_t offset, std::uint64_t end) { return HeldRange(*this, acquire({offset, end, true})); }
    HeldRange claim(std::uint64_t offset, std::uint64_t end) { return HeldRange(*this, acquire({offset, end, false})); }

private:
    using Entries = std::list<HeldRange::Entry>; // in the order in which they came; 128 at the most, one a worker

    Entries::iterator acquire(HeldRange::Entry entry) EXCLUDES(mutex_);
    void release(Entries::iterator at) EXCLUDES(mutex_);
    bool has_conflict(Entries::iterator at) REQUIRES(mutex_);

    Mutex mutex_;
    Condition released_;
    Entries entries_ GUARDED_BY(mutex_);
    int waiting_ GUARDED_BY(mutex_) = 0;
};

} // namespace gmemfs
