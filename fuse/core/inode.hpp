// Inode: what a name stands for: attributes, extended attributes, and a file's data or a symbolic link's target.
#pragma once

#include "fuse/core/file.hpp"
#include "fuse/core/volume_state.hpp"

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

/// Capabilities of a program, an attribute that goes when the file is written or changes its owner.
inline constexpr std::string_view kFileCapabilities = "security.capability";

using InodeId = std::uint64_t;
inline constexpr InodeId kRootInode = 1; ///< as FUSE has it

/// Who asks. The kernel has checked the mode bits already (default_permissions); this is for what it can't know: who
/// owns a new inode, and who may have a handle.
struct Credentials {
    uid_t uid = 0;
    gid_t gid = 0;
    std::vector<gid_t> groups = {}; ///< supplementary; filled in only where a check needs them
};

/// A plain value: what stat(2) shows. Sizes in bytes.
struct Attributes {
    InodeId id = 0;
    mode_t mode = 0; ///< type and permission bits
    std::uint32_t links = 0;
    uid_t uid = 0;
    gid_t gid = 0;
    dev_t device_number = 0;     ///< of a device node
    std::uint64_t size = 0;      ///< of a file, or a symbolic link's target; of a directory, its entries
    std::uint64_t allocated = 0; ///< device memory behind it
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
};

/// Thread-safe. Names point to it; it knows none of them. Time is an argument everywhere, never asked of a clock.
class Inode {
public:
    /// For a regular file, `storage` and `placement` say where its data will live.
    Inode(InodeId id, mode_t mode, const Credentials &owner, timespec now);

    InodeId id() const { return id_; }
    mode_t type() const { return type_; } ///< S_IFREG, S_IFDIR, ...: never changes
    bool is_file() const { return type_ == S_IFREG; }
    bool is_directory() const { return type_ == S_IFDIR; }

    /// The data of a regular file; null for everything else. Lives as long as the inode.
    File *file() const { return file_.get(); }
    void hold_file(std::unique_ptr<File> file) { file_ = std::move(file); } // before the inode is published
    void hold_target(std::string target) { target_ = std::move(target); }   // before the inode is published
    void hold_device_number(dev_t number) { device_number_ = number; }      // before the inode is published
    const std::string &target() const { return target_; }                   ///< of a symbolic link

    Attributes attributes() const EXCLUDES(mutex_);
    /// Mode, owner and times; the size is File's business. The caller's rights were checked by the kernel.
    void change(const AttributeChanges &changes, timespec now) EXCLUDES(mutex_);
    /// After data or entries have changed. A write by anyone but root takes set-user-ID and set-group-ID away, as POSIX
    /// wants it: true where it did, and the mode is another one now.
    bool modified(timespec now, uid_t by) EXCLUDES(mutex_);
    /// After a read, as `relatime` does it: once a day, or when it was older than the last change.
    void accessed(timespec now) EXCLUDES(mutex_);
    void changed(timespec now) EXCLUDES(mutex_);
    void add_links(int count, timespec now) EXCLUDES(mutex_);
    std::uint32_t links() const EXCLUDES(mutex_);

    /// Whether these may read and write the file, by its mode bits: the condition for a handle.
    bool may_read_and_write(const Credentials &who) const { return may(06, who); }
    /// Whether these may list the directory and reach what is in it.
    bool may_read_and_search(const Credentials &who) const { return may(05, who); }

    enum class XattrMode { any, create, replace }; ///< XATTR_CREATE, XATTR_REPLACE
    /// EEXIST, ENODATA: what `mode` forbids. ENOSPC: more than kXattrBytesPerInodeMax.
    Result<void> set_xattr(std::string_view name, std::string_view value, XattrMode mode, timespec now)
        EXCLUDES(mutex_);
    Result<std::string> xattr(std::string_view name) const EXCLUDES(mutex_);         ///< ENODATA
    Result<void> remove_xattr(std::string_view name, timespec now) EXCLUDES(mutex_); ///< ENODATA
    std::vector<std::string> xattr_names() const EXCLUDES(mutex_);

    /// The device that a directory's new files live on; null for wherever there is most room.
    Device *placement() const EXCLUDES(mutex_);
    void place(Device *device) EXCLUDES(mutex_);

    /// Whether a file has parity, or a directory's new files and directories will.
    bool has_parity() const EXCLUDES(mutex_);
    void hand_down_parity(bool on) EXCLUDES(mutex_); ///< of a directory

    /// As a journal has it, before the inode is published. A file's data is File's business.
    void restore(const VolumeState::Node &node, Device *placement) EXCLUDES(mutex_);

    /// Entries of a directory, kept by the Namespace for attributes().
    void count_entries(std::int64_t change) { entries_.fetch_add(change, std::memory_order_relaxed); }

    /// How many opens are under way; settle() waits for the last.
    std::atomic<int> opens = 0;
    /// It has no name yet, and may get its first one: O_TMPFILE. The Namespace's lock protects it.
    bool is_linkable = false;
    /// Times changed that no record tells of: writes and reads journal nothing, the next close does.
    std::atomic<bool> has_unrecorded_times = false;
    /// Without a name and unopened, and yet the kernel doesn't forget it: see Namespace::give_up_on_orphans.
    std::atomic<bool> lingers = false;

private:
    bool may(mode_t wanted, const Credentials &who) const EXCLUDES(mutex_); // bits as of `other`
    void drop_privileges() REQUIRES(mutex_);
    bool drop_capabilities() REQUIRES(mutex_); // whether there were any

    const InodeId id_;
    const mode_t type_;
    dev_t device_number_ = 0;
    std::string target_;
    std::unique_ptr<File> file_;
    std::atomic<std::int64_t> entries_ = 0;

    mutable Mutex mutex_;
    mode_t permissions_ GUARDED_BY(mutex_);
    std::uint32_t links_ GUARDED_BY(mutex_) = 0;
    uid_t uid_ GUARDED_BY(mutex_);
    gid_t gid_ GUARDED_BY(mutex_);
    timespec accessed_ GUARDED_BY(mutex_), modified_ GUARDED_BY(mutex_), changed_ GUARDED_BY(mutex_);
    std::map<std::string, std::string, std::less<>> xattrs_ GUARDED_BY(mutex_);
    std::size_t xattr_bytes_ GUARDED_BY(mutex_) = 0;
    Device *placement_ GUARDED_BY(mutex_) = nullptr;
    bool has_parity_ GUARDED_BY(mutex_) = false;
};

} // namespace gmemfs
