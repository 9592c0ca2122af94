#include "tools/snapshot/place.hpp"

#include "tools/snapshot/entry_attributes.hpp"

#include "fuse/core/names/acl.hpp"
#include "tools/host/interruption.hpp"
#include "tools/host/mounts.hpp"
#include "tools/host/new_file.hpp"

#include <cstdio>
#include <fcntl.h>
#include <filesystem>
#include <linux/magic.h>
#include <sys/file.h>
#include <sys/stat.h>
#include <sys/statfs.h>
#include <sys/statvfs.h>
#include <sys/xattr.h>
#include <unistd.h>

namespace gmemfs {
namespace {

constexpr std::uint64_t kGranularity = 2 * MiB;  // of device memory, on every device seen
constexpr std::uint64_t kSharedMost = 512 * KiB; // a file that is written at once and is no longer shares an extent
constexpr std::uint64_t kSharedLeast = 4 * KiB;

constexpr std::string_view kStagingPrefix = ".gmemfs-restore.";
constexpr int kFolderFlags = O_RDONLY | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC;

Error interrupted() { return Error{EINTR, 0, "interrupted", "nothing was left"}; }

// Bytes that a file of `size` takes on a gmemfs mount.
std::uint64_t memory_of(std::uint64_t size) {
    if (size == 0) return 0;
    if (size > kSharedMost) return size > INT64_MAX - kGranularity ? size : round_up(size, kGranularity);
    std::uint64_t taken = kSharedLeast;
    while (taken < size) taken *= 2;
    return taken;
}

} // namespace

Error SnapshotPlace::failed(int code, const char *doing, std::size_t index) const {
    std::string name = entries_[index].name;
    for (std::size_t above = index; above != 0; above = entries_[above].parent)
        if (entries_[above].parent != 0) name.insert(0, entries_[entries_[above].parent].name + "/");
    return Error{code, 0, doing, path_ + (name.empty() ? "" : "/") + name + advice_for(code)};
}

Result<SnapshotPlace> SnapshotPlace::create(
    const std::string &path, const std::vector<SnapshotEntry> &entries, Existing existing) {
    Fd top(::open(path.c_str(), O_RDONLY | O_DIRECTORY | O_CLOEXEC));
    if (!top) return Error{errno, 0, "restore into", path + advice_for(errno)};
    return SnapshotPlace(path, std::move(top), entries, existing);
}

SnapshotPlace::~SnapshotPlace() { remove_staging(); }

void SnapshotPlace::remove_staging() {
    if (!staging_) return;
    for (std::size_t index = 0; index < states_.size(); ++index)
        if (states_[index] == State::staged) (void)::unlinkat(staging_.get(), std::to_string(index).c_str(), 0);
    (void)::unlinkat(top_.get(), staging_name_.c_str(), AT_REMOVEDIR);
    staging_.reset();
}

Result<void> SnapshotPlace::check_room(Room room_for) const {
    struct statvfs room = {};
    struct statfs kind = {};
    if (::fstatvfs(top_.get(), &room) != 0 || ::fstatfs(top_.get(), &kind) != 0)
        return Error{errno, 0, "look for room", path_ + advice_for(errno)};
    std::uint64_t needed = 0;
    for (const SnapshotEntry &entry : entries_)
        if (room_for == Room::whole) needed += kind.f_type == FUSE_SUPER_MAGIC ? memory_of(entry.size) : entry.size;
    const std::uint64_t free_bytes = room.f_bavail * room.f_frsize;
    if (needed > free_bytes)
        return Error{ENOSPC, 0, "restore into",
            path_ + ": " + format_size(needed) + " are needed and " + format_size(free_bytes) + " are free"};
    if (room.f_files != 0 && entries_.size() > room.f_favail)
        return Error{ENOSPC, 0, "restore into",
            path_ + ": too few inodes are free for " + std::to_string(entries_.size()) + " names"};
    return {};
}

Result<void> SnapshotPlace::check_name(std::size_t index, int folder) {
    struct stat status = {}, above = {};
    if (::fstatat(folder, entries_[index].name.c_str(), &status, AT_SYMLINK_NOFOLLOW) != 0)
        return errno == ENOENT ? Result<void>() : failed(errno, "stat", index);
    if (S_ISDIR(status.st_mode)) {
        if (!entries_[index].is_folder()) return failed(EISDIR, "replace", index);
        if (::fstat(folder, &above) != 0 || above.st_dev != status.st_dev) return failed(EXDEV, "restore into", index);
        states_[index] = State::merged;
        return {};
    }
    if (existing_ == Existing::replace) return {};
    Error error = failed(EEXIST, "restore", index);
    error.detail += ": use --overwrite to replace what is there";
    return error;
}

Result<void> SnapshotPlace::check(Room room) {
    remove_leftovers();
    TRY(check_room(room));
    std::error_code error;
    was_empty_ = std::filesystem::is_empty(path_, error) && !error;
    if (entries_[0].is_folder()) states_[0] = State::merged;
    Fd folder;
    std::uint32_t opened = kNoEntry;
    for (std::size_t index = entries_[0].is_folder() ? 1 : 0; index < entries_.size(); ++index) {
        if (is_interrupted()) return interrupted();
        const std::uint32_t parent = entries_[index].parent;
        if (index != 0 && states_[parent] != State::merged) continue; // nor is this one there
        if (parent != opened) {
            folder = TRY(open_folder(top_.get(), entries_, parent));
            opened = parent;
        }
        TRY(check_name(index, folder.get()));
    }
    return {};
}

Result<void> SnapshotPlace::make(std::size_t index) {
    const SnapshotEntry &entry = entries_[index];
    const std::string name = std::to_string(index);
    const int at = staging_.get();
    int made = 0;
    if (entry.is_other_name()) {
        if (states_[entry.link_to] == State::skipped) return states_[index] = State::skipped, Result<void>();
        made = ::linkat(at, std::to_string(entry.link_to).c_str(), at, name.c_str(), 0);
    } else if (entry.is_link()) {
        made = ::symlinkat(entry.target.c_str(), at, name.c_str());
    } else if (entry.is_file()) {
        const Fd file(::openat(at, name.c_str(), O_RDWR | O_CREAT | O_EXCL | O_NOFOLLOW | O_CLOEXEC, 0600));
        if (!file) return failed(errno, "make", index);
        states_[index] = State::staged;
        return {};
    } else {
        made = ::mknodat(at, name.c_str(), (entry.mode & S_IFMT) | 0600, entry.device);
        const bool is_device = S_ISCHR(entry.mode) || S_ISBLK(entry.mode);
        if (made != 0 && errno == EPERM && is_device) {
            states_[index] = State::skipped;
            ++left_out_;
            return {};
        }
    }
    if (made != 0) return failed(errno, "make", index);
    states_[index] = State::staged;
    return {};
}

// Removes what restores that were killed have left, because its memory would be lost. A restore that is at work has the
// lock.
void SnapshotPlace::remove_leftovers() const {
    namespace fs = std::filesystem;
    std::error_code error;
    for (fs::directory_iterator entry(path_, error), end; !error && entry != end; entry.increment(error)) {
        const std::string name = entry->path().filename();
        if (!name.starts_with(kStagingPrefix)) continue;
        const Fd folder(::openat(top_.get(), name.c_str(), kFolderFlags));
        struct stat status = {};
        if (!folder || ::fstat(folder.get(), &status) != 0 || status.st_uid != ::geteuid()) continue;
        if (::flock(folder.get(), LOCK_EX | LOCK_NB) != 0) continue;
        const std::string path = "/proc/self/fd/" + std::to_string(folder.get());
        std::error_code ignored;
        for (fs::directory_iterator file(path, ignored), last; !ignored && file != last; file.increment(ignored))
            (void)::unlinkat(folder.get(), file->path().filename().c_str(), 0);
        (void)::unlinkat(top_.get(), name.c_str(), AT_REMOVEDIR);
    }
}

Result<void> SnapshotPlace::make_staging() {
    staging_name_ = random_name(std::string(kStagingPrefix));
    const std::string shown = path_ + "/" + staging_name_;
    if (::mkdirat(top_.get(), staging_name_.c_str(), 0700) != 0) return Error{errno, 0, "make folder", shown};
    staging_ = Fd(::openat(top_.get(), staging_name_.c_str(), kFolderFlags));
    if (!staging_) {
        const int code = errno;
        (void)::unlinkat(top_.get(), staging_name_.c_str(), AT_REMOVEDIR);
        return Error{code, 0, "open folder", shown};
    }
    (void)::flock(staging_.get(), LOCK_EX | LOCK_NB); // a filesystem without locks keeps leftovers
    struct stat status = {};
    if (::fstatat(top_.get(), staging_name_.c_str(), &status, AT_SYMLINK_NOFOLLOW) == 0) return {};
    return Error{errno, 0, "make folder", shown + ": another restore began at the same time; restore again"};
}

Result<void> SnapshotPlace::stage() {
    TRY(make_staging());
    (void)::fremovexattr(staging_.get(), kDefaultAcl.data()); // or all that is staged would inherit it
    for (std::size_t index = 0; index < entries_.size(); ++index) {
        if (is_interrupted()) return interrupted();
        if (!entries_[index].is_folder()) TRY(make(index));
    }
    return {};
}

Result<Fd> SnapshotPlace::open_file(std::size_t index) const {
    Fd file(::openat(staging_.get(), std::to_string(index).c_str(), O_RDWR | O_NOFOLLOW | O_CLOEXEC));
    if (!file) return failed(errno, "open", index);
    return file;
}

// One truncate gives one extent.
Result<void> SnapshotPlace::allocate(std::size_t index, int file, std::uint64_t size) const {
    if (size <= kSharedMost || ::ftruncate(file, static_cast<off_t>(size)) == 0) return {};
    return failed(errno, "allocate", index);
}

Result<Fd> SnapshotPlace::make_anew(std::size_t index) const {
    const int at = staging_.get();
    const std::string name = std::to_string(index);
    constexpr int kFlags = O_RDWR | O_CREAT | O_EXCL | O_NOFOLLOW | O_CLOEXEC;
    if (::unlinkat(at, name.c_str(), 0) != 0) return failed(errno, "remove", index);
    Fd file(::openat(at, name.c_str(), kFlags, 0600));
    if (!file) return failed(errno, "make", index);
    for (std::size_t other = index + 1; other < entries_.size(); ++other) {
        if (entries_[other].link_to != index) continue;
        const std::string link = std::to_string(other);
        if (::unlinkat(at, link.c_str(), 0) != 0 || ::linkat(at, name.c_str(), at, link.c_str(), 0) != 0)
            return failed(errno, "make", other);
    }
    return file;
}

Result<void> SnapshotPlace::set_attributes(int folder, const std::string &name, const SnapshotEntry &entry) {
    Result<std::size_t> left_out = gmemfs::set_attributes(folder, name, entry);
    if (!left_out) return about(path_, left_out.error());
    attributes_left_out_ += *left_out;
    return {};
}

Result<void> SnapshotPlace::publish_one(std::size_t index, int folder) {
    const SnapshotEntry &entry = entries_[index];
    const char *name = entry.name.c_str();
    if (entry.is_folder()) {
        int made = ::mkdirat(folder, name, 0700);
        if (made != 0 && errno == EEXIST && existing_ == Existing::replace && ::unlinkat(folder, name, 0) == 0)
            made = ::mkdirat(folder, name, 0700);
        if (made != 0) return failed(errno, "make folder", index);
    } else {
        const unsigned flags = existing_ == Existing::refuse ? RENAME_NOREPLACE : 0;
        if (::renameat2(staging_.get(), std::to_string(index).c_str(), folder, name, flags) != 0)
            return failed(errno, "rename to", index);
    }
    states_[index] = State::published;
    return {};
}

Result<void> SnapshotPlace::publish_names() {
    Fd folder;
    std::uint32_t opened = kNoEntry;
    for (std::size_t index = entries_[0].is_folder() ? 1 : 0; index < entries_.size(); ++index) {
        const SnapshotEntry &entry = entries_[index];
        if (states_[index] == State::merged || states_[index] == State::skipped) continue;
        if (is_interrupted())
            return existing_ == Existing::refuse ? interrupted()
                                                 : Error{EINTR, 0, "interrupted", "what was replaced by then stays"};
        if (entry.parent != opened) {
            folder = TRY(open_folder(top_.get(), entries_, entry.parent));
            opened = entry.parent;
        }
        TRY(publish_one(index, folder.get()));
    }
    return {};
}

// Only where nothing was replaced. Where something was, the old file is lost, and the new one, which is whole, stays.
void SnapshotPlace::take_back() {
    for (std::size_t index = entries_.size(); index-- > 0;) {
        if (states_[index] != State::published) continue;
        const Result<Fd> folder = open_folder(top_.get(), entries_, entries_[index].parent);
        if (!folder) continue;
        (void)::unlinkat(folder->get(), entries_[index].name.c_str(), entries_[index].is_folder() ? AT_REMOVEDIR : 0);
        states_[index] = State::skipped;
    }
}

Result<void> SnapshotPlace::cut(const std::vector<SnapshotCut> &cuts) {
    for (const SnapshotCut &cut : cuts) {
        const std::string name = std::to_string(cut.entry);
        if (!cut.is_gone) {
            const Fd file = TRY(open_file(cut.entry));
            if (::ftruncate(file.get(), static_cast<off_t>(cut.size)) != 0) return failed(errno, "cut", cut.entry);
            continue;
        }
        for (std::size_t index = cut.entry; index < entries_.size(); ++index) {
            if (index != cut.entry && entries_[index].link_to != cut.entry) continue;
            if (::unlinkat(staging_.get(), std::to_string(index).c_str(), 0) != 0)
                return failed(errno, "leave out", index);
            states_[index] = State::skipped;
        }
    }
    return {};
}

Result<void> SnapshotPlace::finish_folders() {
    for (std::size_t index = entries_.size(); index-- > 0;) {
        const bool is_meant = states_[index] == State::published || existing_ == Existing::replace;
        if (!entries_[index].is_folder() || !(index == 0 ? was_empty_ : is_meant)) continue;
        const Fd folder = TRY(open_folder(top_.get(), entries_, index));
        TRY(set_attributes(folder.get(), ".", entries_[index]));
    }
    return {};
}

Result<void> SnapshotPlace::publish() {
    for (std::size_t index = 0; index < entries_.size(); ++index) {
        if (is_interrupted()) return interrupted();
        if (states_[index] == State::staged && !entries_[index].is_other_name())
            TRY(set_attributes(staging_.get(), std::to_string(index), entries_[index]));
    }
    const Result<void> published = publish_names();
    if (!published) {
        if (existing_ == Existing::refuse) take_back();
        return Error(published.error());
    }
    remove_staging();
    return finish_folders();
}

} // namespace gmemfs
