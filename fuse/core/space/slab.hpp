// Slab: cuts extents into slots that small files share, so that a file of 4 KiB doesn't take a granule of 2 MiB.
//
//     chunk, one extent of 2 MiB   | slot | slot | slot |  ...  |      slots of one size: 4 KiB, 8 KiB, ... 512 KiB
//
// A slot is never exported: before a handle is given, the file moves to an extent of its own. See
// docs/decisions/003-small-files-share-extents.md.
#pragma once

#include "vmm/memory/copiers.hpp"
#include "vmm/memory/extent_list.hpp"

#include <array>
#include <bit>
#include <bitset>
#include <functional>
#include <map>
#include <set>

namespace gmemfs {

inline constexpr std::uint64_t kSlotMin = 4 * KiB;   ///< the page of a host, and the unit of statfs
inline constexpr std::uint64_t kSlotMax = 512 * KiB; ///< what is larger has an extent of its own
inline constexpr std::uint64_t kSlabChunk = 2 * MiB;
static_assert(kSlabChunk % kSlotMax == 0);

/// The shared extents of one device. Thread-safe; a leaf in the order of locks. Extents are made and dropped outside
/// the lock. Outlives its slots.
class Slab {
public:
    /// Makes an extent of zeros, or returns why that failed.
    using Create = std::function<Result<std::shared_ptr<Extent>>(Copiers &copiers, std::uint64_t size)>;
    explicit Slab(Create create) : create_(std::move(create)) {}

    /// A slot of at least `size` bytes (kSlotMax at the most) of zeros. The last copy of the Piece gives the slot back.
    Result<Piece> take(Copiers &copiers, std::uint64_t size) EXCLUDES(mutex_);
    /// The slot at `offset` of an extent that a server before this one had cut into slots of `length` bytes. EBADMSG:
    /// no server can have cut it so.
    Result<Piece> adopt(std::shared_ptr<Extent> extent, std::uint64_t offset, std::uint64_t length) EXCLUDES(mutex_);
    /// The size in bytes of the slot that take() gives for `size`.
    static std::uint64_t slot_size_for(std::uint64_t size);
    /// Gives the extent that is kept in reserve back to the device. False: there was none.
    bool trim() EXCLUDES(mutex_);

    struct Usage {
        std::uint64_t extents; ///< bytes of all chunks
        std::uint64_t slots;   ///< bytes of these that files have
    };
    Usage usage() const EXCLUDES(mutex_);

private:
    static constexpr std::size_t kSlotsMax = kSlabChunk / kSlotMin;
    static constexpr std::size_t kSizes = std::bit_width(kSlotMax / kSlotMin);
    struct Chunk {
        std::shared_ptr<Extent> extent;
        std::size_t size_class = 0;
        std::size_t taken = 0;
        std::bitset<kSlotsMax> is_taken = {};
        std::bitset<kSlotsMax> is_dirty = {}; // slots that weren't cleared since their last owner
    };
    class Slot { // its destructor gives the slot back
    public:
        Slot(Slab &slab, std::uint64_t chunk, std::size_t index) : slab_(slab), chunk_(chunk), index_(index) {}
        Slot(const Slot &) = delete;
        Slot &operator=(const Slot &) = delete;
        ~Slot() { slab_.give_back(chunk_, index_); }

    private:
        Slab &slab_;
        const std::uint64_t chunk_;
        const std::size_t index_;
    };
    struct Taken {
        Piece piece;
        bool is_dirty;
    };

    std::optional<Taken> take_free(std::size_t size_class) EXCLUDES(mutex_);
    Taken take_from(std::uint64_t id, Chunk &chunk, std::size_t index) REQUIRES(mutex_);
    enum class Bytes { zeros, dirty };
    void open_chunk(std::shared_ptr<Extent> extent, std::size_t size_class, Bytes bytes) REQUIRES(mutex_);
    void give_back(std::uint64_t id, std::size_t index) EXCLUDES(mutex_);

    const Create create_;
    mutable Mutex mutex_;
    std::map<std::uint64_t, Chunk> chunks_ GUARDED_BY(mutex_);
    std::array<std::set<std::uint64_t>, kSizes> open_ GUARDED_BY(
        mutex_);                                         // with a free slot; the oldest is filled first
    std::shared_ptr<Extent> reserve_ GUARDED_BY(mutex_); // one empty chunk: making and dropping it takes a millisecond
    std::map<Keeper::Id, std::uint64_t> adopted_ GUARDED_BY(mutex_); // chunks of extents that were taken over
    std::uint64_t next_id_ GUARDED_BY(mutex_) = 1;
};

} // namespace gmemfs
