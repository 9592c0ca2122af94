// Inode: what a name stands for: attributes, extended attributes, and a file's data or a link's target.
#pragma once

#include "fuse/core/file/file.hpp"
#include "fuse/core/journal/volume_state.hpp"
#include "fuse/core/names/access_times.hpp"
#include "fuse/core/names/acl.hpp"

#include <atomic>
#include <cstdint>
#include <ctime>
#include <map>
#include <memory>
#include <optional>
#include <string>
#include <string_view>
#include <sys/stat.h>
#include <vector>

namespace gmemfs {

/// The capabilities of a program: an attribute that is removed when the file is written or changes its owner.
inline constexpr std::string_view kFileCapabilities = "security.capability";

/// A plain value: what stat(2) shows. Sizes in bytes.
struct Attributes {
    InodeId id = 0;
    mode_t mode = 0; ///< type and permission bits
    std::uint32_t links = 0;
    uid_t uid = 0;
    gid_t gid = 0;
    dev_t device_number = 0;     ///< of a device node
    std::uint64_t size = 0;      ///< bytes of a file, or of a symbolic link's target; of a directory, its entries
    std::uint64_t allocated = 0; ///< bytes of device memory
    bool is_loose = false;       ///< a growing file: `allocated` changes when it is settled
    timespec accessed = {}, modified = {}, changed = {};
};

/// What setattr(2)'s family asks for; an empty member stays as it is.
struct AttributeChanges {
    std::optional<mode_t> mode; ///< permission bits
    std::optional<uid_t> uid;
    std::optional<gid_t> gid;
    std::optional<std::uint64_t> size;
    std::optional<timespec> accessed, modified;
    bool is_touch = false; ///< sets both times to now, which a user that may write may do
};

/// After what time a file that nobody uses is packed, or goes to host memory: attributes that a directory hands down.
/// Seconds, or with a unit: 90s, 10m, 2h, 1d; 0: never. They go before what the mount was told.
inline constexpr std::string_view kPackAfter = "user.gmemfs.pack_after", kHostAfter = "user.gmemfs.host_after";
/// On which devices a file is to have copies, once it is closed: an attribute that a directory hands down, and that
/// goes along when a file is copied. "all", "none", or a list (read_devices).
inline constexpr std::string_view kReplicasWanted = "user.gmemfs.replicas_wanted";
/// EINVAL: it is no such time, or more than ten years.
Result<unsigned> parse_age(std::string_view text);

/// Thread-safe. Names point to an inode, which knows none of them. Times are arguments everywhere; no clock is read.
class Inode {
public:
    /// An inode of type and permissions `mode`, without data yet: see the hold functions. `owner` owns it.
    Inode(InodeId id, mode_t mode, const Credentials &owner, timespec now);

    InodeId id() const { return id_; }
    mode_t type() const { return type_; } ///< S_IFREG, S_IFDIR, ...: never changes
    bool is_file() const { return type_ == S_IFREG; }
    /// What `name`, kPackAfter or kHostAfter, says: seconds, 0 for never. Empty: this inode says nothing of it.
    std::optional<unsigned> age(std::string_view name) const EXCLUDES(mutex_);
    bool is_directory() const { return type_ == S_IFDIR; }

    /// The data of a regular file; null for everything else. Lives as long as the inode.
    File *file() const { return file_.get(); }
    void hold_file(std::unique_ptr<File> file) { file_ = std::move(file); } // before the inode is published
    void hold_target(std::string target) { target_ = std::move(target); }   // before the inode is published
    void hold_device_number(dev_t number) { device_number_ = number; }      // before the inode is published
    const std::string &target() const { return target_; }                   ///< of a symbolic link

    Attributes attributes() const EXCLUDES(mutex_);
    /// Changes mode, owner and times; File changes sizes. The kernel has checked the caller's rights. A new mode
    /// changes the access ACL, too. The groups of `by` must be filled in where has_set_ids().
    void change(const AttributeChanges &changes, timespec now, const Credentials &by) EXCLUDES(mutex_);
    /// Sets the times of modification and change. Called after data or entries have changed.
    void modified(timespec now) EXCLUDES(mutex_);
    /// The same, for a file that `by` has written to. Takes set-user-ID, set-group-ID and capabilities away, as Linux
    /// does it. True: the mode has changed. The groups of `by` must be filled in where has_set_ids().
    bool written(timespec now, const Credentials &by) EXCLUDES(mutex_);
    /// Whether this is a file with a set-ID bit, which a write may take away.
    bool has_set_ids() const { return is_file() && (permissions_.load(std::memory_order_relaxed) & kSetIds) != 0; }
    /// Sets the time of access where `mode` says so. Called after a read.
    void accessed(timespec now, AccessTimes mode) EXCLUDES(mutex_);
    void changed(timespec now) EXCLUDES(mutex_);
    void add_links(int count, timespec now) EXCLUDES(mutex_);
    std::uint32_t links() const EXCLUDES(mutex_);

    /// Whether `who` may read and write the file, by its ACL or its mode bits: the condition for a handle.
    bool may_read_and_write(const Credentials &who) const { return may(06, who); }
    /// Checks that `who` may have the file's handle. EACCES: `who` may not read and write the file. EPERM: its flags
    /// forbid it to everybody.
    Result<void> check_handle(const Credentials &who) const;
    /// Whether `who` may list the directory and reach what is in it.
    bool may_read_and_search(const Credentials &who) const { return may(05, who); }
    /// Whether `who` may make names in the directory.
    bool may_write_and_search(const Credentials &who) const { return may(03, who); }

    enum class XattrMode { any, create, replace }; ///< XATTR_CREATE, XATTR_REPLACE
    /// EEXIST, ENODATA: what `mode` forbids. ENOSPC: more than kXattrBytesPerInodeMax.
    Result<void> set_xattr(std::string_view name, std::string_view value, XattrMode mode, timespec now)
        EXCLUDES(mutex_);
    Result<std::string> xattr(std::string_view name) const EXCLUDES(mutex_);         ///< ENODATA
    Result<void> remove_xattr(std::string_view name, timespec now) EXCLUDES(mutex_); ///< ENODATA
    std::vector<std::string> xattr_names() const EXCLUDES(mutex_);

    /// Sets kAccessAcl or kDefaultAcl, which xattr() returns. The mode gets the nine bits of an access ACL; a list that
    /// says no more than those isn't kept. A set-group-ID bit that `who` may not give is dropped, as chmod(2) does it.
    /// EINVAL: `value` is no ACL. EACCES: a default ACL for something that isn't a directory. EOPNOTSUPP: this is a
    /// symbolic link. ENOSPC: see set_xattr().
    Result<void> set_acl(std::string_view name, std::string_view value, const Credentials &who, timespec now)
        EXCLUDES(mutex_);
    /// Removes an ACL, if there is one.
    void remove_acl(std::string_view name, const Credentials &who, timespec now) EXCLUDES(mutex_);
    /// Gives this new inode what `directory` hands down, before the inode is published. The directory's default ACL
    /// limits the mode that the program asked for; where there is none, `umask` does.
    void inherit(const Inode &directory, mode_t umask) EXCLUDES(mutex_);

    InodeFlags flags() const { return flags_.load(std::memory_order_relaxed); }
    void set_flags(InodeFlags flags, timespec now) EXCLUDES(mutex_);
    /// EPERM: the inode has one of the flags `forbidding`. Costs one load where it has none.
    Result<void> check_flags(InodeFlags forbidding) const {
        if ((flags() & forbidding) == 0) return {};
        return forbidden_by_flags();
    }

    /// Where a directory's new files live.
    Placement placement() const EXCLUDES(mutex_);
    void place(const Placement &placement) EXCLUDES(mutex_);

    /// Whether a file has parity, or a directory's new files and directories will.
    Protection protection() const EXCLUDES(mutex_);
    void hand_down(Protection protection) EXCLUDES(mutex_); ///< of a directory

    /// Restores the inode from a journal's state, before the inode is published. File restores a file's data.
    void restore(const VolumeState::Node &node, const Placement &placement) EXCLUDES(mutex_);

    /// How many entries the directory has, which its size tells of: 20 bytes each, and two more, as on tmpfs.
    void hold_entries(std::uint64_t count) { entries_.store(count, std::memory_order_relaxed); }

    /// How many opens there are; the file is settled after the last one.
    std::atomic<int> opens = 0;
    /// The inode has no name yet, and may get its first one (O_TMPFILE). The Namespace's lock protects this.
    bool is_linkable = false;
    /// Times have changed that no record tells of, because writes journal nothing. The next close records them.
    std::atomic<bool> has_unrecorded_times = false;
    /// The time of access has changed, and no record tells of that. The next change records it, or a server that makes
    /// way.
    std::atomic<bool> has_unrecorded_access = false;
    /// The only descriptor, as far as a flush tells, is being closed, and the release is on its way.
    std::atomic<bool> is_closing = false;
    /// The file's memory is a running process's own (Leases::Bond): neither its name nor its bytes can be taken.
    std::atomic<bool> is_in_use = false;
    Result<void> check_unused() const {
        if (!is_in_use.load(std::memory_order_relaxed)) return {};
        return Error{EBUSY, 0, "remove file", "its memory is a running process's"};
    }
    /// The same of one of its names: the last one can't be taken.
    Result<void> check_name_unused() const {
        if (!is_in_use.load(std::memory_order_relaxed) || links() > 1) return {};
        return check_unused();
    }
    /// The inode is without a name and closed, and yet the kernel doesn't forget it: see Namespace::give_up_on_orphans.
    std::atomic<bool> lingers = false;

    /// Expires when the inode's memory is free again. A thread that drops an inode may not be the last holder, because
    /// another thread that has just answered a request still has a reference. The Namespace's lock protects the call.
    std::weak_ptr<const void> until_gone() {
        if (!lifetime_) lifetime_ = std::make_shared<const char>();
        return lifetime_;
    }

private:
    static Error forbidden_by_flags(); // apart, so that each write has the check inline
    bool may(mode_t wanted, const Credentials &who) const EXCLUDES(mutex_); // bits as of `other`
    bool list_has_room(std::string_view name) const REQUIRES(mutex_);
    Result<void> put_xattr(std::string_view name, std::string_view value) REQUIRES(mutex_);
    bool drop_xattr(std::string_view name) REQUIRES(mutex_); // whether there was one
    std::optional<Acl> acl(std::string_view name) const REQUIRES(mutex_);
    void drop_set_group_id(const Credentials &who) REQUIRES(mutex_);
    void drop_set_ids(const Credentials &by) REQUIRES(mutex_);

    static constexpr mode_t kSetIds = S_ISUID | S_ISGID;

    const InodeId id_;
    const mode_t type_;
    dev_t device_number_ = 0;
    std::string target_;
    std::shared_ptr<const void> lifetime_; // before file_, so that it ends after the file's memory
    std::unique_ptr<File> file_;
    std::atomic<std::uint64_t> entries_ = 0; // of a directory
    std::atomic<InodeFlags> flags_ = 0;

    mutable Mutex mutex_;
    std::atomic<mode_t> permissions_; // changed under the lock; has_set_ids() reads it without
    std::uint32_t links_ GUARDED_BY(mutex_) = 0;
    uid_t uid_ GUARDED_BY(mutex_);
    gid_t gid_ GUARDED_BY(mutex_);
    timespec accessed_ GUARDED_BY(mutex_), modified_ GUARDED_BY(mutex_), changed_ GUARDED_BY(mutex_);
    std::map<std::string, std::string, std::less<>> xattrs_ GUARDED_BY(mutex_);
    std::size_t xattr_bytes_ GUARDED_BY(mutex_) = 0;
    Placement placement_ GUARDED_BY(mutex_);
    Protection protection_ GUARDED_BY(mutex_) = Protection::none;
};

} // namespace gmemfs
