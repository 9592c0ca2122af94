// DirectWrites: notes what write(2) puts into a mapped file, so that writing back older pages doesn't undo it.
//
// Files are opened for direct I/O and may be mapped all the same. Linux drops the pages of a range before it sends a
// write, and again before write(2) returns; between the two a page fault may read a page as it was before:
//
//     write(2):     drops pages ── WRITE ──> new bytes, noted here ──> drops pages: a dirty one is written back first
//     page fault:          READ, old bytes ── a store makes the page dirty ──────────> WRITE of all of it
//
// A page that is written back holds old bytes beside the store. So bytes that are noted here are left out of the
// write-back. That loses no store: a store into these bytes, in a page that was read before the write, came while
// write(2) was under way, and counts as having come before it. Bytes that the kernel reads for the page cache
// afterwards are forgotten here, because stores into them are newer. docs/decisions/020 has the whole argument, and
// what Linux has to do for it.
#pragma once

#include "vmm/base/lock.hpp"

#include <atomic>
#include <cstdint>
#include <map>
#include <memory>
#include <vector>

namespace gmemfs {

/// Thread-safe. A leaf in the order of locks. The caller has taken the range of the file that a call is about.
class DirectWrites {
public:
    struct ByteRange {
        std::uint64_t offset, end;
    };

    /// From here on writes are noted. Called when a page is to be read for the page cache, before its range is taken,
    /// so that no later write is missed.
    void begin() EXCLUDES(mutex_);
    /// Notes a write. Costs one load where no page of the file was ever in the page cache.
    void add(ByteRange written) {
        if (is_mapped()) note(written);
    }
    /// Forgets a range that the kernel has just read for the page cache.
    void forget(ByteRange read) EXCLUDES(mutex_);
    /// The parts of a write-back that are not older than the file's bytes, in order.
    std::vector<ByteRange> left_of(ByteRange written_back) const EXCLUDES(mutex_);

private:
    // No two touch each other.
    using Ranges = std::map<std::uint64_t, std::uint64_t>; // offset to end
    // A range is needed until its write(2) has returned. Nobody says when that is, so there are two lots, and the older
    // one is dropped when the other one is full (2 MiB of host memory a file, both).
    static constexpr std::size_t kLotMax = 16384;
    struct Lots {
        Ranges present, before;
    };

    bool is_mapped() const { return is_mapped_.load(std::memory_order_acquire); }
    void note(ByteRange written) EXCLUDES(mutex_);
    static void remove(Ranges &ranges, ByteRange range);
    static void subtract(const Ranges &ranges, std::vector<ByteRange> &parts);

    std::atomic<bool> is_mapped_ = false;
    mutable Mutex mutex_;
    std::unique_ptr<Lots> lots_ GUARDED_BY(mutex_); // few files are ever mapped
};

} // namespace gmemfs
