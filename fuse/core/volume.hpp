// Volume: the filesystem as a library: names, inodes, files, space and leases together, without FUSE.
//
// A volume has no thread and no clock of its own, and touches the world through the driver and the journal alone. So a
// test can run it on one thread, with times and faults that the test chooses.
#pragma once

#include "fuse/core/lease.hpp"
#include "fuse/core/names/namespace.hpp"
#include "fuse/core/space/storage.hpp"

#include <cstdint>
#include <functional>
#include <span>
#include <string_view>
#include <utility>

namespace gmemfs {

/// What one request brings along.
struct Caller {
    Credentials who;
    timespec now;
    Copiers &copiers;             ///< of the calling thread
    std::uint64_t request = 0;    ///< of the kernel: see Occasion
    bool leaves_no_trace = false; ///< O_NOATIME: reading changes no access time

    Occasion at() const { return {now, request}; }
};

/// Thread-safe.
class Volume {
public:
    struct Limits {
        Storage::Limits storage = {};
        std::uint64_t files = 0;                  ///< inodes at a time; 0: as many as the host has memory for
        Protection protection = Protection::none; ///< what the root hands down
    };
    Volume(Keeper &keeper, const std::vector<std::unique_ptr<Device>> &devices, const Limits &limits,
        const Credentials &owner, mode_t root_mode, timespec now)
        : storage_(keeper, devices, limits.storage), names_(owner, root_mode, limits.files, now) {
        names_.root()->hand_down(limits.protection);
    }

    /// From here on every change is recorded before it is acknowledged; the journal's error, then, from whatever
    /// changes something: it couldn't be recorded. Before anybody else uses this.
    void record_in(Journal *journal);
    Result<void> record_root(); ///< the first record of a journal that begins
    /// As a journal has it; nothing was made here yet. `held` is what the keeper holds: what no file has of it is given
    /// back. ENODEV: this mount doesn't use the device that an extent is on. EBADMSG: journal and keeper don't fit.
    /// After an error the keeper still holds everything.
    Result<void> restore(
        const VolumeState &state, const std::vector<Keeper::Held> &held, Namespace::KernelMemory memory);

    /// Called where an operation on `inode` lacked memory, by a thread that holds no lock. True: it is worth another
    /// try. Before anybody else uses this.
    using MakeRoom = std::function<bool(const Caller &caller, const Inode &inode)>;
    void make_room_by(MakeRoom make_room) { make_room_ = std::move(make_room); }

    /// Whether an inode was ever told by itself when it is packed or goes to host memory.
    bool has_own_ages() const { return has_own_ages_.load(std::memory_order_relaxed); }

    Namespace &names() { return names_; }
    Storage &storage() { return storage_; }
    Leases &leases() { return leases_; } ///< the main thread's

    /// A new regular file, fifo, socket or device node; counts as one lookup.
    Result<InodeRef> make_node(const Caller &caller, InodeId parent, std::string_view name, mode_t mode, dev_t number);
    /// A new regular file without a name, which link() can give one (O_TMPFILE); counts as one lookup.
    Result<InodeRef> make_unnamed(const Caller &caller, InodeId parent, mode_t mode);
    /// A new file of memory that another process has made: see Storage::take_donation and File::take_donation. EACCES:
    /// the caller may make no names in the directory. Counts as no lookup.
    struct Donation {
        std::array<std::uint8_t, 16> device_uuid;
        std::uint64_t size;
        Fd memory;
    };
    Result<InodeRef> take_donation(const Caller &caller, InodeId parent, std::string_view name, Donation donation);
    Result<InodeRef> make_directory(const Caller &caller, InodeId parent, std::string_view name, mode_t mode);
    Result<InodeRef> make_symlink(const Caller &caller, InodeId parent, std::string_view name, std::string_view target);

    /// EPERM from this function and those below: the inode's flags forbid it.
    /// Does what chmod, chown, truncate and utimens ask for. The size changes first; where that fails, nothing has
    /// changed. EISDIR, EINVAL: a size for something that isn't a file. EDQUOT: the new owner has no room for the file.
    Result<void> set_attributes(const Caller &caller, Inode &inode, const AttributeChanges &changes);

    /// Errors: see Inode. ACLs are among the attributes; removing an ACL needs the caller's groups.
    Result<void> set_xattr(
        const Caller &caller, Inode &inode, std::string_view name, std::string_view value, Inode::XattrMode mode);
    Result<void> remove_xattr(const Caller &caller, Inode &inode, std::string_view name);
    /// EOPNOTSUPP: a flag isn't of kAllFlags. The kernel has checked that the caller may set flags.
    Result<void> set_flags(const Caller &caller, Inode &inode, InodeFlags flags);
    /// Chooses where an empty file lives, or a directory's new files. EBUSY: see File::place.
    /// ENODEV: a device of it is lost.
    Result<void> place(Inode &inode, const Placement &placement);

    /// Chooses on which devices a file has copies, or a directory's new files: see kReplicasWanted. A file that nobody
    /// is writing to gets them now; others at their last close, and when a peer asks for one. Errors: see read_devices
    /// and File::replicate.
    Result<void> set_replicas(const Caller &caller, Inode &inode, std::string_view wish);
    /// As share(), of the copy on the device with this UUID, which is made where the file should have it and hasn't;
    /// else of the file's own memory.
    Result<std::vector<File::Shared>> share_near(
        const Caller &caller, Inode &inode, File::ShareBy by, const std::array<std::uint8_t, 16> &device);

    /// Chooses whether an empty file, or a directory's new files and directories, get parity. EBUSY: see
    /// File::set_protection. ENOEXEC: this program has no kernels for a device of the mount.
    Result<void> set_protection(Inode &inode, Protection protection);

    /// A file is open between open() and close(); the last close settles it. `truncate`: O_TRUNC.
    enum class OpenMode { keep, truncate };
    Result<void> open(const Caller &caller, Inode &inode, OpenMode mode);
    /// An Error says that settling failed, for the log alone: the file is closed, its data is there, and the file stays
    /// loose.
    Result<void> close(const Caller &caller, Inode &inode);
    /// Called for close(2) of one descriptor. Settles the file where no other open is under way; a failure to settle is
    /// no error. Errors: the journal's, which can't be written.
    Result<void> flush(const Caller &caller, Inode &inode);

    /// Records the times that writes have changed, and makes parity fit (File::seal). Data needs nothing.
    Result<void> sync(Inode &inode);
    /// Records all times that reads and writes have changed: another server is to go on from here.
    Result<void> record_times();

    Result<std::size_t> read(
        const Caller &caller, Inode &inode, std::uint64_t offset, std::span<std::byte> to, File::By by);
    /// Chooses when reads change access times, from now on.
    void set_access_times(AccessTimes mode) { access_times_.store(mode, std::memory_order_relaxed); }
    /// The caller has already checked the inode's flags; only it knows how the file was opened. A store through a
    /// mapping takes no set-ID bits and capabilities away, as on Linux.
    Result<void> write(
        const Caller &caller, Inode &inode, std::uint64_t offset, std::span<const std::byte> from, File::By by);

    /// fallocate(2): memory, with or without a new size; and holes, which are zeros. See File::allocate and
    /// File::punch.
    Result<void> allocate(
        const Caller &caller, Inode &inode, std::uint64_t offset, std::uint64_t length, File::SizeMode mode);
    Result<void> punch(const Caller &caller, Inode &inode, std::uint64_t offset, std::uint64_t length);
    /// Zeros, and the memory stays: FALLOC_FL_ZERO_RANGE, after allocate().
    Result<void> zero(const Caller &caller, Inode &inode, std::uint64_t offset, std::uint64_t length);
    /// copy_file_range(2), on the device: see File::copy_from.
    Result<std::uint64_t> copy(const Caller &caller, Inode &source, std::uint64_t source_offset, Inode &target,
        std::uint64_t target_offset, std::uint64_t length);

    /// Errors: see Inode::check_handle and File::fabric_handles.
    Result<std::vector<FabricHandle>> fabric_handles(const Caller &caller, Inode &inode);
    /// Errors: see Inode::check_handle and File::share.
    Result<std::vector<File::Shared>> share(const Caller &caller, Inode &inode, File::ShareBy by);
    /// Settles the file, and returns the bytes of device memory that a peer would map (File::mappable). ENODATA: not a
    /// regular file.
    Result<std::uint64_t> allocation_size(const Caller &caller, Inode &inode);

    /// See File::digest. ENODATA: not a regular file.
    Result<Digest> digest(const Caller &caller, Inode &inode);
    /// See File::pack, offload and wake. None changes a time: the bytes stay the same. ENODATA: not a regular file.
    Result<File::PackOutcome> pack(const Caller &caller, Inode &inode, PackBy by);
    Result<File::OffloadOutcome> offload(const Caller &caller, Inode &inode, File::Form form, PackBy by);
    Result<void> wake(const Caller &caller, Inode &inode);
    /// Makes sure that all files which nvCOMP has packed can be read. ENOPKG: it isn't there, in their version.
    Result<void> prepare_codecs();
    /// See File::open_image and File::take_image. The caller has checked that this one may read the file, or write to
    /// it. ENODATA: not a regular file.
    Result<std::unique_ptr<OpenImage>> open_image(const Caller &caller, Inode &inode, File::ImageOf which);
    Result<void> take_image(const Caller &caller, Inode &inode);

private:
    // Runs the operation; once more each time that other files gave up memory for it.
    template <typename Operation>
    auto making_room(const Caller &caller, Inode &inode, Operation operation) -> decltype(operation());
    bool evict_replicas(Inode &inode, const Error &error);
    Result<void> replicate(const Caller &caller, Inode &inode);
    void hold_new_file(Inode &made, const Inode &directory);
    Result<void> record_inode(Inode &inode);
    Result<void> record_xattr(const Caller &caller, const Inode &inode, std::string_view name);
    Result<void> check_recorded() const;
    Result<void> data_changed(const Caller &caller, Inode &inode);
    Result<void> times_changed(Inode &inode);
    void accessed(const Caller &caller, Inode &inode) const;

    Storage storage_;
    Namespace names_;
    Leases leases_;              // they hold inodes and extents: gone before those
    Journal *journal_ = nullptr; // null: nothing is recorded
    MakeRoom make_room_;
    std::atomic<bool> has_own_ages_ = false;
    std::atomic<bool> has_wishes_ = false; // some inode may have kReplicasWanted
    std::atomic<AccessTimes> access_times_ = AccessTimes::relative;
};

} // namespace gmemfs
