// File: a file's bytes: a POSIX size over an ordered list of extents, usually exactly one.
//
//     0             size            size of the extents (user.allocation_size)
//     |  data       |  tail         |
//
// The tail reads as zeros when it becomes part of the file. It holds zeros, unless a peer has the memory mapped, or the
// tail is dirty: it was reserved by growth and never cleared, or a write failed in it. Then the bytes that are exposed
// are cleared first, and the whole tail before a peer gets a handle.
//
// A file that grows by writing first shares an extent with other small files (see Slab), and then gets extents of
// doubling size. It is loose until settle() gives the tail back and merges the extents into one, at the last close or
// before a handle is given. Where there is no room for that copy, only the last extent is moved into one of the right
// size. Where even that might not fit, extents grow by a sixteenth. So a file holds at most a granule and a sixteenth
// more than its size, and may have nearly all of its device. Memory that a peer may have mapped never moves.
//
// A cold file (docs/cold.md) is packed, so that its extents hold an image of its bytes, or lies in host memory, while
// it lives on a device; or both. Reading takes what it touches from there. Whatever needs the bytes where the file
// lives wakes it first: it gets plain memory there, or ENOSPC, and is as cold as before.
#pragma once

#include "fuse/core/file/direct_writes.hpp"
#include "fuse/core/file/file_parity.hpp"
#include "fuse/core/file/layout.hpp"
#include "fuse/core/file/open_image.hpp"
#include "fuse/core/file/range_lock.hpp"
#include "fuse/core/journal/volume_state.hpp"
#include "fuse/core/space/placement.hpp"
#include "fuse/core/space/replica_chain.hpp"
#include "fuse/core/space/storage.hpp"
#include "fuse/core/space/unpacked.hpp"
#include "vmm/memory/extent_list.hpp"

#include <algorithm>
#include <atomic>
#include <cstdint>
#include <map>
#include <memory>
#include <optional>
#include <span>
#include <string>
#include <type_traits>
#include <utility>
#include <vector>

namespace gmemfs {

class Journal;

/// Thread-safe. Data moves under the layout lock held shared, and under its range; the layout changes under that lock
/// held exclusive, because a write that landed after a shrink would come back to light at the next growth.
class File {
public:
    /// `placement` is where the file will live; where it has no home, that is chosen at the first allocation. `owner`
    /// is charged for the file.
    File(Storage &storage, Placement placement, uid_t owner);

    std::uint64_t size() const { return size_.load(std::memory_order_acquire); }           ///< bytes
    std::uint64_t allocated() const { return allocated_.load(std::memory_order_acquire); } ///< bytes of device memory
    /// Bytes that a peer would map: allocated(), but for a small file what its own extent will have.
    std::uint64_t mappable() const EXCLUDES(layout_);
    /// A new number each time that the extents change, never used twice in a mount; 0: the file never had extents.
    std::uint64_t generation() const { return generation_.load(std::memory_order_acquire); }
    bool is_shared() const { return slot_.load(std::memory_order_acquire); } ///< with other small files
    /// Whether giving a handle changes how much memory the file takes.
    bool moves_when_shared() const { return is_shared() || is_cold(); }
    bool is_exported() const EXCLUDES(layout_); ///< a handle was given to a peer, which may have it mapped
    bool is_lost() const EXCLUDES(layout_);     ///< some of its bytes are on a device that is lost
    bool is_loose() const { return loose_.load(std::memory_order_acquire); }

    /// For what bytes are read or written: a system call, or the host's page cache, which serves mappings.
    enum class By { call, page_cache };
    /// Up to to.size() bytes from `offset`: fewer only at the end of the file, or, for a call, where what follows is
    /// damaged or on a device that is lost. `to` is pinned memory. EIO: the device.
    Result<std::size_t> read(Copiers &copiers, std::uint64_t offset, std::span<std::byte> to, By by) EXCLUDES(layout_);
    /// All of `from`, which is pinned memory, or nothing; grows the file as needed. ENOSPC, EFBIG; EIO: the device, and
    /// then the range holds anything. What the page cache writes back leaves out what is newer (DirectWrites).
    Result<void> write(Copiers &copiers, std::uint64_t offset, std::span<const std::byte> from, By by)
        EXCLUDES(layout_);
    /// All or nothing. New bytes read as zeros. ENOSPC, EFBIG. Where nothing is exported, one extent is left.
    Result<void> resize(Copiers &copiers, std::uint64_t new_size) EXCLUDES(layout_);
    /// Memory for [offset, offset + length), as posix_fallocate(3) has it. `keep`: the size stays, and the memory past
    /// it stays the file's until it is truncated. ENOSPC, EFBIG.
    enum class SizeMode { keep, extend };
    Result<void> allocate(Copiers &copiers, std::uint64_t offset, std::uint64_t length, SizeMode mode)
        EXCLUDES(layout_);
    /// Zeros in what the file has of [offset, offset + length); whole granules past the end go back to the device.
    Result<void> punch(Copiers &copiers, std::uint64_t offset, std::uint64_t length) EXCLUDES(layout_);
    /// The same, but all memory stays.
    Result<void> zero(Copiers &copiers, std::uint64_t offset, std::uint64_t length) EXCLUDES(layout_);
    /// Copies on the device, or between two, from `source` (or this file) into this one, which grows as needed; returns
    /// the bytes copied: fewer than `length` only where the source ends. EINVAL: the ranges overlap.
    Result<std::uint64_t> copy_from(
        Copiers &copiers, File &source, std::uint64_t source_offset, std::uint64_t target_offset, std::uint64_t length);

    /// Takes an extent that another process has made, whole, as this file's bytes. EBUSY: the file isn't empty. EDQUOT:
    /// its owner has no room. ENOSPC: there is none for its parity.
    Result<void> take_donation(std::shared_ptr<Extent> extent) EXCLUDES(layout_);

    /// Gives the unused tail back and merges the extents, where nothing is exported and the device has room for the
    /// copy. Else the file stays loose, and the next call may do more. Cheap for a file that isn't loose. EIO: the
    /// device failed. No room is no error.
    Result<void> settle(Copiers &copiers) EXCLUDES(layout_);

    /// One handle an extent, in file order; settles first, and from then on the extents never move.
    /// A process that has a handle may write at any time, so parity is left alone until seal(). ENODATA: nothing is
    /// allocated. ENOTSUP: this machine has no fabric handles.
    Result<std::vector<FabricHandle>> fabric_handles(Copiers &copiers) EXCLUDES(layout_);

    /// One extent, and the handle by which a peer imports it: `fabric`, or else `fd`.
    struct Shared {
        std::shared_ptr<Extent> extent; ///< keeps the memory, and its place in the budget
        std::uint64_t offset;           ///< bytes, in the file
        std::optional<FabricHandle> fabric;
        Fd fd;
    };
    enum class ShareBy { fabric, fd, either }; ///< either: fabric handles where the extent has one
    /// All extents in file order; settles first, and from then on they never move. ENODATA: nothing is allocated.
    /// ENOTSUP: this machine has no fabric handles. EMFILE: the server may open no more descriptors.
    Result<std::vector<Shared>> share(Copiers &copiers, ShareBy by) EXCLUDES(layout_);

    ParityState parity_state() const { return parity_.state(); }
    bool has_parity() const { return parity_.is_on(); }
    Protection protection() const { return has_parity() ? Protection::parity : Protection::none; }
    /// EBUSY: the file has extents already.
    Result<void> set_protection(Protection protection) EXCLUDES(layout_);
    /// Compares the blocks that a range of the file touches with their parity, and repairs what can be repaired, or
    /// nothing. Blocks count from the file's start. ENODATA: it has no parity. EBUSY: a peer may be writing to it.
    /// What parity can't repair gets the bytes of a copy on another device, where there is one.
    Result<BlockReport> check_parity(ParityMode mode, std::uint64_t offset, std::uint64_t length) EXCLUDES(layout_);
    /// Turns `bits` bits, each another one, of [offset, offset + length), which is cut to the file's size, and leaves
    /// the parity as it is: for tests. `seed` decides which. EINVAL: there are not so many, or more than 2^24.
    Result<void> damage(Copiers &copiers, std::uint64_t offset, std::uint64_t length, std::uint64_t bits,
        std::uint64_t seed) EXCLUDES(layout_);
    /// Makes the parity of a file that peers have written to fit its present bytes. Afterwards parity is current,
    /// unless a lease to write is still held. Waits for the parity of all writes. Does nothing for a file without
    /// parity. EIO: the device failed.
    Result<void> seal() EXCLUDES(layout_);
    /// Called before a peer with a lease to write gets a handle: from here on parity is left alone. The last such
    /// peer's end seals.
    void begin_writing() { parity_.begun_writing(FileParity::Writer::counted); }
    Result<void> end_writing() EXCLUDES(layout_) { return parity_.ended_writing() ? seal() : Result<void>(); }

    /// The digest of the bytes (ecc/digest), made on the device, and kept until they change; made anew each time where
    /// a peer may have changed them. Writers wait meanwhile. Wakes a packed file whose digest isn't known. ENOSPC,
    /// ENOEXEC: see Digester.
    Result<Digest> digest(Copiers &copiers) EXCLUDES(layout_);

    /// `kept`: nothing was changed, because the image would take as many granules as the bytes do.
    enum class PackOutcome { packed, kept };
    /// Encodes the bytes into an image on the same device, and gives their memory back. Readers and writers wait
    /// meanwhile. EBUSY: a peer has the file mapped, or got a handle by name. ENOSPC: no room for the image beside the
    /// bytes. EIO: the device failed, or the bytes are damaged beyond repair. ENOPKG: by nvCOMP, which isn't there.
    /// After an error the file is as it was.
    Result<PackOutcome> pack(Copiers &copiers, PackBy by) EXCLUDES(layout_);
    /// What offload() makes of the bytes on their way.
    enum class Form { packed, as_they_are };
    enum class OffloadOutcome { moved, kept };
    /// Moves the bytes, packed where that saves memory, or as they are, to host memory, and gives the device's memory
    /// back. Readers and writers wait meanwhile. `kept`: the file is in host memory already, has no memory of its own,
    /// or lives in host memory. Errors: as pack; ENOTSUP: the mount has no host memory.
    Result<OffloadOutcome> offload(Copiers &copiers, Form form, PackBy by) EXCLUDES(layout_);
    /// Gives a cold file plain memory where it lives. ENOSPC: there is no room for it. EIO: the device failed, or the
    /// image is damaged. ENOPKG: nvCOMP has packed it, and isn't there. After an error the file is as cold as before.
    Result<void> wake(Copiers &copiers) EXCLUDES(layout_);
    /// The file's image, for whoever saves it, charged to `reader`; the file is as it was. A plain file's image is made
    /// where `which` says so, and others wait meanwhile. ENODATA: the file stays plain, or would save nothing.
    /// EBUSY, ENOSPC, EDQUOT: as pack(). EIO: the device failed, or the image is damaged.
    enum class ImageOf { packed, any };
    Result<std::unique_ptr<OpenImage>> open_image(Copiers &copiers, ImageOf which, uid_t reader) EXCLUDES(layout_);
    /// Takes the file's bytes for an image, and becomes the packed file whose image it is; nothing is copied. EBADMSG:
    /// they are none, or a damaged one; the text says what is wrong. EBUSY, EIO: see pack(). ENOSPC: the file has
    /// several extents, and there is no room for one. EALREADY: it is packed. After an error the file is as it was.
    Result<void> take_image(Copiers &copiers) EXCLUDES(layout_);
    Residence residence() const { return packed_.load() ? Residence::packed : Residence::plain; }
    /// Whether the bytes are in host memory, and the file lives on a device.
    bool is_offloaded() const { return offloaded_.load(std::memory_order_acquire); }
    bool is_cold() const { return residence() == Residence::packed || is_offloaded(); }
    /// Who may have the memory mapped, so that the file can't be packed: a peer with a lease, or whoever read its
    /// handle.
    enum class Busy { no, leased, exported };
    Busy busy() const EXCLUDES(layout_);
    /// Makes sure that a file which nvCOMP has packed can be read. ENOPKG: it isn't there.
    Result<void> prepare_codecs() EXCLUDES(layout_);
    /// How many chunks of the image each codec has. ENODATA: the file isn't packed. EIO: the image is damaged.
    Result<std::map<std::string, std::uint64_t>> codecs() EXCLUDES(layout_);

    /// Makes copies of the bytes on `devices` but the file's own, each checked by its digest, and gives up others.
    /// Readers and writers wait meanwhile. Does nothing for an empty or a cold file. EBUSY: a peer may be writing.
    /// EOPNOTSUPP: the file lies over several devices. ENOSPC, EDQUOT; EIO: a device failed, or the file is damaged.
    Result<void> replicate(Copiers &copiers, const std::vector<Device *> &devices) EXCLUDES(layout_);
    std::uint64_t replica_bytes() const { return replica_bytes_.load(std::memory_order_acquire); } ///< device memory
    bool has_replicas() const { return replica_bytes() != 0; }
    std::vector<Device *> replica_devices() const EXCLUDES(layout_);
    /// Gives up the copies, unless `which` spares those that peers may have mapped. Whether there were any.
    enum class Evict { unmapped, all };
    bool drop_replicas(Evict which) EXCLUDES(layout_);
    /// The copy on `device`, to be mapped for reading; nothing where there is none. Errors: see share().
    Result<std::vector<Shared>> share_replica(const Device &device, ShareBy by) EXCLUDES(layout_);

    /// Called by Leases: from begin to end a peer may have the memory mapped.
    void lease_began() { leases_.fetch_add(1); }
    void lease_ended() {
        used();
        leases_.fetch_sub(1);
    }
    /// Somebody begins to use the file, or ends.
    void used() { last_use_.store(storage_.next_use(), std::memory_order_relaxed); }
    /// The greater, the later; 0: not since the server began.
    std::uint64_t last_use() const { return last_use_.load(std::memory_order_relaxed); }
    bool is_leased() const { return leases_.load() > 0; }
    bool has_writers() const { return parity_.has_writers(); } ///< peers with a lease to write

    struct ExtentInfo {
        std::uint64_t offset, length; ///< bytes, in the file
        std::string device;           ///< UUID, as nvidia-smi prints it
        bool has_fabric;
        bool is_shared; ///< with other small files: a handle moves the file to an extent of its own
        bool is_packed; ///< it holds an image of the file's bytes
        bool is_lost;   ///< with its device
        Keeper::Id id;
    };
    std::vector<ExtentInfo> extent_infos() const EXCLUDES(layout_);

    /// Changes of size and layout are recorded as those of inode `id` from here on. Before other threads see the file.
    void record_in(Journal *journal, std::uint64_t id) { journal_ = journal, id_ = id; }
    /// Restores the file from a journal's state, before other threads see it. The tail counts as dirty, because writes
    /// that were never acknowledged may have landed there.
    void restore(ExtentList extents, const VolumeState::Node &node) EXCLUDES(layout_);

    /// Where the file lives or was placed.
    Placement placement() const EXCLUDES(layout_);
    /// EBUSY: the file has extents already.
    Result<void> place(const Placement &placement) EXCLUDES(layout_);
    /// EDQUOT: the new owner has no room for the file, which stays the old owner's.
    Result<void> set_owner(uid_t owner) EXCLUDES(layout_);

private:
    Device &home() const REQUIRES_SHARED(layout_) { return *placement_.home; } // of a file that has chosen one
    Device &chosen_home(std::uint64_t size) REQUIRES(layout_);
    std::uint64_t encoded_end() const REQUIRES_SHARED(layout_);
    void restore_parity() REQUIRES(layout_);
    Result<Digest> digest_locked() REQUIRES_SHARED(layout_);
    void forget_digest();
    void record_layout() const REQUIRES(layout_);
    void record_size() const;
    Layout layout() const REQUIRES(layout_);
    void take(Layout next) REQUIRES(layout_);
    void publish(Layout next) REQUIRES(layout_);
    Result<void> clear(Copiers &copiers, std::uint64_t from, std::uint64_t to) REQUIRES_SHARED(layout_);
    Result<void> expose(Copiers &copiers, std::uint64_t from, std::uint64_t to) REQUIRES_SHARED(layout_);
    Result<void> reserve_for_write(Copiers &copiers, std::uint64_t end, std::uint64_t expected_end) REQUIRES(layout_);
    Result<void> prepare_for_export(Copiers &copiers) REQUIRES(layout_);
    // Calls visit(Slice, offset from the range's start) for the slices of a range: of extents, or of windows that are
    // decoded here, and stay as they are until `copiers` have waited. `held` outlives that.
    using Windows = std::vector<std::shared_ptr<UnpackedWindow>>;
    template <typename Visit>
    Result<void> for_each_slice(Copiers &copiers, std::uint64_t offset, std::uint64_t length, Windows &held,
        Visit visit) REQUIRES_SHARED(layout_);
    Result<void> read_on_host(Copier &copier, std::uint64_t offset, std::span<std::byte> to) REQUIRES_SHARED(layout_);
    Result<std::shared_ptr<UnpackedWindow>> unpacked(std::uint64_t index) REQUIRES_SHARED(layout_);
    Result<std::shared_ptr<const ImageTable>> image_table() REQUIRES_SHARED(layout_);
    template <typename Use>
    std::invoke_result_t<Use, Packer &, std::span<const Slice>> with_image(Use use) REQUIRES_SHARED(layout_);
    Result<void> check_packable() REQUIRES(layout_);
    Result<PackOutcome> pack_locked(Copiers &copiers, Device &target, PackBy by) REQUIRES(layout_);
    Result<ExtentList> make_pieces(Copiers &copiers, Device &device, std::uint64_t size) REQUIRES(layout_);
    Result<void> move_to(Copiers &copiers, Device &device) REQUIRES(layout_);
    Result<void> move_home(Copiers &copiers) REQUIRES(layout_);
    Result<void> publish_moved(Copiers &copiers, ExtentList made) REQUIRES(layout_);
    Result<ExtentList> gathered(Copiers &copiers) REQUIRES(layout_);
    bool is_away(const ExtentList &extents) const REQUIRES_SHARED(layout_);
    Result<void> prepare_change(Copiers &copiers) REQUIRES(layout_);
    void drop_replicas_locked() REQUIRES(layout_);
    Result<BlockReport> check_parity_once(ParityMode mode, std::uint64_t offset, std::uint64_t length)
        EXCLUDES(layout_);
    Result<bool> mend_from_replicas() EXCLUDES(layout_);
    Result<bool> mend_from(Copiers &copiers, const Replica &replica, std::span<const std::uint64_t> blocks)
        REQUIRES(layout_);
    Result<std::size_t> read_replica(Copiers &copiers, std::uint64_t offset, std::span<std::byte> to)
        REQUIRES_SHARED(layout_);
    Result<std::size_t> read_once(Copiers &copiers, std::uint64_t offset, std::span<std::byte> to, By by)
        EXCLUDES(layout_);
    bool is_cold_locked() const REQUIRES_SHARED(layout_);
    Result<void> prove_image(const ImageTable &table) REQUIRES_SHARED(layout_);
    Result<void> hold_own_image(OpenImage &image, Copiers &copiers, uid_t reader) REQUIRES(layout_);
    Result<void> open_to_home(std::span<const Slice> slices) const REQUIRES_SHARED(layout_);
    Result<void> decode_all(std::span<const Slice> plain) REQUIRES_SHARED(layout_);
    Result<void> decode_all_on_host(Copier &copier) REQUIRES_SHARED(layout_);
    Result<void> make_image_for(OpenImage &image, Copiers &copiers, uid_t reader) REQUIRES(layout_);
    Result<void> make_portable_image(OpenImage &image, Copiers &copiers, uid_t reader) REQUIRES(layout_);
    Result<void> encode_image(OpenImage &image, Copiers &copiers, uid_t reader, std::span<const Slice> plain,
        const std::optional<Digest> &digest) REQUIRES(layout_);
    Result<std::optional<Digest>> known_digest() REQUIRES(layout_);
    Result<void> wake_locked(Copiers &copiers) REQUIRES(layout_);
    void publish_same_bytes(Layout next) REQUIRES(layout_);
    std::uint64_t stored_end() const REQUIRES_SHARED(layout_);
    std::uint64_t awake_size(std::uint64_t size) const REQUIRES_SHARED(layout_);
    Result<std::vector<Shared>> share_locked(Copiers &copiers, ShareBy by) REQUIRES(layout_);
    Result<void> write_reserved(Copiers &copiers, std::uint64_t offset, std::span<const std::byte> from, By by)
        REQUIRES_SHARED(layout_);
    Result<ExtentList::Pieces> make_extents(Copiers &copiers, std::span<const Placement::Part> parts,
        std::uint64_t beside, std::uint64_t clear_from) REQUIRES(layout_);
    Result<std::vector<Placement::Part>> parts_of(std::uint64_t from, std::uint64_t end) REQUIRES(layout_);
    Result<ExtentList> longer_by(Copiers &copiers, std::span<const Placement::Part> parts, std::uint64_t clear_from)
        REQUIRES(layout_);
    Result<ExtentList> longer(Copiers &copiers, std::uint64_t end, std::uint64_t clear_from) REQUIRES(layout_);
    Result<ExtentList> longer_by_writing(Copiers &copiers, std::uint64_t end, std::uint64_t expected_end)
        REQUIRES(layout_);
    Device &lightest() const REQUIRES_SHARED(layout_);
    std::uint64_t room() const REQUIRES_SHARED(layout_);
    bool fits_but_for_end(const ExtentList &extents, std::uint64_t wanted) const REQUIRES_SHARED(layout_);
    Result<void> move_to_slot(Copiers &copiers, std::uint64_t end) REQUIRES(layout_);
    Result<void> leave_slot(Copiers &copiers) REQUIRES(layout_);
    Result<void> grow(Copiers &copiers, std::uint64_t end, std::uint64_t new_size, std::uint64_t kept)
        REQUIRES(layout_);
    Result<void> shrink(Copiers &copiers, std::uint64_t new_size) REQUIRES(layout_);
    Result<ExtentList> merged(Copiers &copiers, std::uint64_t keep, std::uint64_t allocate) REQUIRES(layout_);
    Result<void> copy_to(Copiers &copiers, std::span<const Piece> pieces, std::uint64_t from, std::uint64_t to)
        REQUIRES(layout_);
    std::uint64_t spare_growth(std::uint64_t end) REQUIRES(layout_);
    Layout::Fit fit_of(const ExtentList &extents, std::uint64_t wanted) const REQUIRES_SHARED(layout_);
    Result<void> move_tail(Copiers &copiers, std::uint64_t wanted) REQUIRES(layout_);
    Result<void> settle_locked(Copiers &copiers) REQUIRES(layout_);
    bool is_lost_locked() const REQUIRES_SHARED(layout_);
    std::uint64_t alive_before(std::uint64_t offset, std::uint64_t length) const REQUIRES_SHARED(layout_);
    Result<void> read_alive(Copiers &copiers, std::uint64_t offset, std::span<std::byte> to) REQUIRES_SHARED(layout_);
    Result<std::uint64_t> copy_locked(Copiers &copiers, File &source, std::uint64_t source_offset,
        std::uint64_t target_offset, std::uint64_t length) REQUIRES(layout_) REQUIRES_SHARED(source.layout_);
    Result<void> transfer(Copiers &copiers, std::uint64_t offset, std::span<const std::byte> from,
        std::uint64_t encoded_end, By by) REQUIRES_SHARED(layout_);
    Result<void> queue_newer(Copiers &copiers, std::uint64_t offset, std::span<const std::byte> from)
        REQUIRES_SHARED(layout_);

    Storage &storage_;
    Journal *journal_ = nullptr; // null: nothing is recorded
    std::uint64_t id_ = 0;       // of the inode, in the journal
    mutable SharedMutex layout_;
    mutable RangeLock ranges_; // the ranges that are being read or written; taken after layout_
    DirectWrites direct_writes_;
    FileParity parity_; // changes under the same locks as the extents and their bytes
    ExtentList extents_ GUARDED_BY(layout_);
    Residence residence_ GUARDED_BY(layout_) = Residence::plain;
    std::uint32_t nvcomp_ GUARDED_BY(layout_) = 0;                             // Layout::nvcomp
    std::optional<PackedCount::Member> counted_ GUARDED_BY(layout_);           // while it is packed
    std::optional<PackedCount::Member> counted_offloaded_ GUARDED_BY(layout_); // while it is offloaded
    NamedHandle named_handle_ GUARDED_BY(layout_) = NamedHandle::none;
    std::atomic<int> leases_ = 0;                                      // that peers hold
    Mutex image_mutex_;                                                // a leaf but for the device
    std::shared_ptr<const ImageTable> image_ GUARDED_BY(image_mutex_); // read when it is first needed
    Placement placement_ GUARDED_BY(layout_); // where it lives; its extents may be in host memory
    Charge charge_ GUARDED_BY(layout_);
    std::vector<Replica> replicas_ GUARDED_BY(layout_); // all have the file's bytes
    Charge replica_charge_ GUARDED_BY(layout_);
    Digest replicated_ GUARDED_BY(layout_) = {};  // the digest of the file and of its replicas
    bool is_guarded_ GUARDED_BY(layout_) = false; // cold, or there are replicas: a change has something to do before
    std::uint64_t kept_ GUARDED_BY(layout_) = 0;  // bytes that allocate() promised, also past the end
    struct KnownDigest {
        Digest digest;
        std::uint64_t size; // the file's when the digest was made: it may grow meanwhile
    };
    Mutex digest_mutex_; // a leaf
    std::optional<KnownDigest> digest_ GUARDED_BY(digest_mutex_);
    std::atomic<bool> knows_digest_ = false; // forgotten by who changes bytes, within the range that is claimed for it
    // Layout::Tail::dirty. Published under the exclusive lock; changed besides by a writer that has claimed the tail.
    std::atomic<bool> tail_dirty_ = false;
    // Read without the lock, because getattr must not wait for a copy. The size shrinks under the exclusive lock alone,
    // and grows also under the claimed tail.
    std::atomic<std::uint64_t> size_ = 0;
    std::atomic<std::uint64_t> allocated_ = 0;
    std::atomic<std::uint64_t> generation_ = 0;
    std::atomic<bool> loose_ = false;  // Layout::Fit::loose
    std::atomic<bool> slot_ = false;   // shares its extent
    std::atomic<bool> packed_ = false; // Residence::packed
    std::atomic<bool> offloaded_ = false;
    std::atomic<std::uint64_t> replica_bytes_ = 0; // of device memory, of all replicas together
    std::atomic<std::uint64_t> last_use_ = 0;
};

template <typename Visit>
Result<void> File::for_each_slice(
    Copiers &copiers, std::uint64_t offset, std::uint64_t length, Windows &held, Visit visit) {
    if (residence_ == Residence::plain) return extents_.for_each(offset, length, visit);
    constexpr std::uint64_t kSize = UnpackedWindows::kSize;
    constexpr std::size_t kWindowsAtOnce = 4; // a copy of gigabytes has no more decoded at a time
    for (std::uint64_t done = 0; done < length;) {
        const std::uint64_t at = offset + done, within = at % kSize;
        const std::uint64_t part = std::min(length - done, kSize - within);
        if (held.size() == kWindowsAtOnce) {
            TRY(copiers.wait());
            held.clear();
        }
        held.push_back(TRY(unpacked(at / kSize)));
        const Slice window = held.back()->memory.slice();
        TRY(visit(Slice{window.extent, window.offset + within, part}, done));
        done += part;
    }
    return {};
}

} // namespace gmemfs
