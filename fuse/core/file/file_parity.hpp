// FileParity: how one file's parity follows its data: what is checked before a change, and encoded after it.
//
//     block      0            1            2            3
//     write            |////////////////////////////|
//                checked                  checked                 before: they keep bytes that were there
//                encoded      encoded     encoded                 behind the write, which doesn't wait for it
//
// While a peer may be writing (`open`) parity is left alone; seal() encodes all of it. What couldn't be mended is
// remembered as damaged until all of the block is written anew: encoding what is left of it must not hide that.
// docs/parity.md has the data's way.
#pragma once

#include "fuse/core/file/range_lock.hpp"
#include "fuse/core/journal/volume_state.hpp"
#include "fuse/core/space/storage.hpp"

#include <atomic>
#include <cstdint>
#include <set>
#include <span>

namespace gmemfs {

enum class ParityState { off, current, open, damaged }; ///< user.gmemfs.ecc

/// Thread-safe, under the locks that each function names: those of its File. Offsets are the file's, in bytes.
class FileParity {
public:
    explicit FileParity(Storage &storage) : storage_(storage) {}

    ParityState state() const EXCLUDES(mutex_);
    /// Whether the file is to have parity; changed only while it has no memory.
    bool is_on() const { return on_.load(std::memory_order_acquire); }
    void set(Protection wanted) { on_.store(wanted == Protection::parity, std::memory_order_release); }
    /// Whether every change has to be followed.
    bool follows() const { return is_on() && !open_.load(std::memory_order_acquire); }
    bool verifies_reads() const { return follows() && storage_.verifies_reads(); }

    /// The bounds of the blocks that a range touches; without parity, of the range itself.
    std::uint64_t start_of(std::uint64_t offset) const;
    std::uint64_t end_of(std::uint64_t end) const;

    /// Memory for the parity of a new piece, if it is to have one. What lies in it from byte `clear_from` on is zeros.
    Result<void> attach(Piece &piece, std::uint64_t clear_from);

    /// Before [offset, end) changes: blocks that keep bytes from before are verified, and repaired. What lies from
    /// `valid_end` on was never encoded. The range, rounded, is the caller's.
    Result<void> before_change(
        const ExtentList &extents, std::uint64_t offset, std::uint64_t end, std::uint64_t valid_end) EXCLUDES(mutex_);
    /// Once the copier has queued the change: queues the encode. If that can't be done the file is open from here on.
    void after_change(Copier &copier, const ExtentList &extents, std::uint64_t offset, std::uint64_t end)
        EXCLUDES(mutex_);
    /// The same once the file's first `length` bytes are to be copied to a new piece.
    void after_move(Copier &copier, const Piece &piece, std::uint64_t length);
    /// Before [offset, end) is copied elsewhere, or read: verified, and repaired. EIO: a block in it is damaged; the
    /// text says which bytes. `good`: bytes from `offset` that can be read.
    Result<void> before_read(const ExtentList &extents, std::uint64_t offset, std::uint64_t end, std::uint64_t &good)
        EXCLUDES(mutex_);

    /// The blocks that [offset, end) touches, compared with their parity; waits. ENODATA: the file has none. EBUSY: it
    /// isn't current, since peers may write.
    Result<BlockReport> check(ParityMode mode, const ExtentList &extents, std::uint64_t offset, std::uint64_t end)
        EXCLUDES(mutex_);

    /// A peer may write from here on; `counted`: until ended_writing().
    enum class Writer { unknown, counted };
    void begun_writing(Writer writer);
    /// True for the last one: then seal() is due.
    bool ended_writing() { return writers_.fetch_sub(1) == 1; }
    /// Queues the encode of all that lies before `end`.
    Result<void> encode(const ExtentList &extents, std::uint64_t end);
    /// All that lies before `end` is encoded as it is, once everything was queued: the state is current, or still open
    /// where a counted writer is. Nobody else changes the file.
    Result<void> seal(const ExtentList &extents, std::uint64_t end);
    /// Waits for encodes that are under way. EIO: the device has failed.
    Result<void> wait(const ExtentList &extents) const;

    /// The file ends at `size` now.
    void cut_to(std::uint64_t size) EXCLUDES(mutex_);

private:
    struct Run; // blocks of one piece
    template <typename Visit>
    Result<void> for_each_run(const ExtentList &extents, std::uint64_t offset, std::uint64_t end, Visit visit) const;
    Result<void> mend_block(const ExtentList &extents, std::uint64_t offset) EXCLUDES(mutex_);
    void add_damaged(std::span<const std::uint64_t> blocks) EXCLUDES(mutex_);

    Storage &storage_;
    std::atomic<bool> on_ = false;
    std::atomic<bool> open_ = false;
    std::atomic<int> writers_ = 0;
    mutable Mutex mutex_;
    std::set<std::uint64_t> damaged_ GUARDED_BY(mutex_); // blocks, counted from the file's start
};

} // namespace gmemfs
