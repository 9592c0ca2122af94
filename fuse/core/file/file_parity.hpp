// FileParity: makes one file's parity follow its data: checks blocks before a change, and encodes them after it.
//
//     block      0            1            2            3
//     write            |////////////////////////////|
//                checked                  checked                 before: they keep bytes that were there
//                encoded      encoded     encoded                 behind the write, which doesn't wait for it
//
// While a peer may be writing (`open`), parity is left alone; seal() encodes all of it. A block that couldn't be mended
// is remembered as damaged until all of it is written anew, because encoding what is left must not hide the damage.
// docs/parity.md follows the data's way.
#pragma once

#include "fuse/core/file/range_lock.hpp"
#include "fuse/core/journal/volume_state.hpp"
#include "fuse/core/space/storage.hpp"

#include <atomic>
#include <cstdint>
#include <set>
#include <span>
#include <vector>

namespace gmemfs {

enum class ParityState { off, current, open, damaged }; ///< user.gmemfs.ecc

/// Thread-safe where the File holds its locks: the layout lock, and the range that a function is about. Offsets are the
/// file's, in bytes.
class FileParity {
public:
    explicit FileParity(Storage &storage) : storage_(storage) {}

    ParityState state() const EXCLUDES(mutex_);
    /// Whether the file has parity. Changes only while the file has no memory.
    bool is_on() const { return on_.load(std::memory_order_acquire); }
    void set(Protection wanted) { on_.store(wanted == Protection::parity, std::memory_order_release); }
    /// Whether every change has to be encoded: there is parity, and no peer may be writing.
    bool follows() const { return is_on() && !open_.load(std::memory_order_acquire); }
    bool verifies_reads() const { return follows() && storage_.verifies_reads(); }

    /// The bounds of the blocks that a range touches; without parity, of the range itself.
    std::uint64_t start_of(std::uint64_t offset) const;
    std::uint64_t end_of(std::uint64_t end) const;

    /// Gives a new piece memory for its parity, where the file has parity. The piece's bytes from `clear_from` on are
    /// zeros.
    Result<void> attach(Piece &piece, std::uint64_t clear_from);

    /// Called before [offset, end) changes. Verifies and repairs the blocks that keep bytes from before. Nothing from
    /// `valid_end` on was ever encoded. The caller holds the range, rounded to blocks.
    Result<void> before_change(
        const ExtentList &extents, std::uint64_t offset, std::uint64_t end, std::uint64_t valid_end) EXCLUDES(mutex_);
    /// Queues the encode, after the copiers have queued the change. Where that fails the state is `open` from here on.
    void after_change(Copiers &copiers, const ExtentList &extents, std::uint64_t offset, std::uint64_t end)
        EXCLUDES(mutex_);
    /// The same, after the copy of the file's first `length` bytes to a new piece was queued.
    void after_move(Copiers &copiers, const Piece &piece, std::uint64_t length);
    /// Called before [offset, end) is read, or copied elsewhere. Verifies and repairs it. EIO: a block of it is
    /// damaged; the text says which bytes. `good` is set to the number of bytes from `offset` that can be read.
    Result<void> before_read(const ExtentList &extents, std::uint64_t offset, std::uint64_t end, std::uint64_t &good)
        EXCLUDES(mutex_);

    /// Compares the blocks that [offset, end) touches with their parity, and waits for the device. ENODATA: the file
    /// has no parity. EBUSY: the parity isn't current, because peers may write.
    Result<BlockReport> check(ParityMode mode, const ExtentList &extents, std::uint64_t offset, std::uint64_t end)
        EXCLUDES(mutex_);

    /// A peer may write from here on; a `counted` one until ended_writing().
    enum class Writer { unknown, counted };
    void begun_writing(Writer writer);
    bool has_writers() const { return writers_.load() > 0; } ///< counted ones
    /// The blocks that are known to be damaged beyond repair, ascending.
    std::vector<std::uint64_t> damaged() const EXCLUDES(mutex_);
    void add_damaged(std::span<const std::uint64_t> blocks) EXCLUDES(mutex_);

    /// True: this was the last counted writer, and seal() is due.
    bool ended_writing() { return writers_.fetch_sub(1) == 1; }
    /// Whether a piece of the file has no parity that could be used: there was no room for it, or the GPU that encodes
    /// it is lost and the piece isn't. attach() makes it anew.
    static bool is_lacking(const Piece &piece);
    /// Queues the encode of all bytes before `end`.
    Result<void> encode(const ExtentList &extents, std::uint64_t end);
    /// Queues the encode of all bytes before `end`, as they are. Afterwards the state is current, or still open where
    /// there is a counted writer. Nobody else changes the file meanwhile.
    Result<void> seal(const ExtentList &extents, std::uint64_t end);
    /// Waits for encodes that are under way. EIO: the device has failed.
    Result<void> wait(const ExtentList &extents) const;

    /// Forgets damage past `size`, where the file ends now.
    void cut_to(std::uint64_t size) EXCLUDES(mutex_);

private:
    struct Run; // blocks of one piece
    template <typename Visit>
    Result<void> for_each_run(const ExtentList &extents, std::uint64_t offset, std::uint64_t end, Visit visit) const;
    Result<void> mend_block(const ExtentList &extents, std::uint64_t offset) EXCLUDES(mutex_);
    bool is_left_behind(const Run &run);

    Storage &storage_;
    std::atomic<bool> on_ = false;
    std::atomic<bool> open_ = false;
    std::atomic<int> writers_ = 0;
    mutable Mutex mutex_;
    std::set<std::uint64_t> damaged_ GUARDED_BY(mutex_); // blocks, counted from the file's start
};

} // namespace gmemfs
