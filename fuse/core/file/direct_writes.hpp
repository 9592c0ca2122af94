// DirectWrites: what write(2) has put into a mapped file, past the page cache, since the kernel read the pages around
// it.
//
// Files are opened for direct I/O and may be mapped all the same. Linux drops the pages of a range before it sends a
// write, and again before write(2) returns; between the two a page fault may read a page as it was before:
//
//     write(2):     drops pages ── WRITE ──> new bytes, noted here ──> drops pages: a dirty one is written back first
//     page fault:          READ, old bytes ── a store makes the page dirty ──────────> WRITE of all of it
//
// What is written back holds old bytes beside the store. So bytes noted here are left out of it. That loses no store:
// one into these bytes, in a page that was read before them, came while write(2) was under way, and counts as come
// before it. Bytes that the kernel has read for the page cache since are forgotten here: what is stored into them then
// is newer. docs/decisions/020 has the whole argument, and what Linux has to do for it.
#pragma once

#include "vmm/base/lock.hpp"

#include <atomic>
#include <cstdint>
#include <map>
#include <memory>
#include <vector>

namespace gmemfs {

/// Thread-safe. A leaf: called by who has taken the range of the file that it is about.
class DirectWrites {
public:
    struct Range {
        std::uint64_t offset, end;
    };

    /// A page is to be read for the page cache: from here on writes are noted. Before its range is taken, so that none
    /// after it is missed.
    void begin() EXCLUDES(mutex_);
    /// Costs a load where no page of the file was ever in the page cache.
    void add(Range written) {
        if (is_mapped()) note(written);
    }
    /// The kernel has read this for the page cache, as it is now.
    void forget(Range read) EXCLUDES(mutex_);
    /// The parts of what is written back that are not older than what is there, in order.
    std::vector<Range> left_of(Range written_back) const EXCLUDES(mutex_);

private:
    // No two touch each other.
    using Ranges = std::map<std::uint64_t, std::uint64_t>; // offset to end
    // Each is needed until its write(2) has returned. Whose ranges are more than these isn't waited for: of two lots
    // the older one goes when the other one is full (2 MiB of host memory a file, both).
    static constexpr std::size_t kLotMax = 16384;
    struct Lots {
        Ranges present, before;
    };

    bool is_mapped() const { return is_mapped_.load(std::memory_order_acquire); }
    void note(Range written) EXCLUDES(mutex_);
    static void remove(Ranges &ranges, Range range);
    static void subtract(const Ranges &ranges, std::vector<Range> &parts);

    std::atomic<bool> is_mapped_ = false;
    mutable Mutex mutex_;
    std::unique_ptr<Lots> lots_ GUARDED_BY(mutex_); // few files are ever mapped
};

} // namespace gmemfs
