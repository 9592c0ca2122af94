#include "tools/snapshot/tree.hpp"

#include "tools/host/interruption.hpp"
#include "tools/host/mounts.hpp"

#include <algorithm>
#include <dirent.h>
#include <fcntl.h>
#include <filesystem>
#include <linux/limits.h>
#include <linux/magic.h>
#include <map>
#include <memory>
#include <sys/stat.h>
#include <sys/statfs.h>
#include <sys/xattr.h>
#include <unistd.h>

namespace gmemfs {
namespace {

constexpr int kFolderFlags = O_RDONLY | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC;
constexpr std::size_t kAttributesMost = 512 * KiB; // so that an entry's record has room for them

Error interrupted() { return Error{EINTR, 0, "interrupted", "nothing was left"}; }

struct CloseFolder {
    void operator()(DIR *folder) const { ::closedir(folder); }
};

Result<std::vector<std::string>> list_folder(int folder) {
    const int again = ::openat(folder, ".", kFolderFlags); // a position of its own
    const std::unique_ptr<DIR, CloseFolder> opened(again >= 0 ? ::fdopendir(again) : nullptr);
    if (!opened) return Error{errno, 0, "read folder", ""};
    std::vector<std::string> names;
    errno = 0;
    while (const dirent *entry = ::readdir(opened.get())) {
        if (is_interrupted()) return interrupted();
        const std::string name = entry->d_name;
        if (name != "." && name != "..") names.push_back(name);
        errno = 0;
    }
    if (errno != 0) return Error{errno, 0, "read folder", ""};
    std::sort(names.begin(), names.end());
    return names;
}

// What is said by an errno where somebody else renames, removes and makes names meanwhile.
bool has_vanished(int code) {
    return code == ENOENT || code == ENOTDIR || code == ELOOP || code == ENXIO || code == ESTALE;
}

// What the server lists of a file's memory, which isn't the file's to keep.
bool is_of_memory(std::string_view name) { return name == "user.allocation_size" || name == "user.fabric_handle"; }

Result<std::string> read_target(int folder, const std::string &name) {
    char target[4096];
    const ssize_t size = ::readlinkat(folder, name.c_str(), target, sizeof target);
    if (size <= 0) return Error{size == 0 ? EINVAL : errno, 0, "read symbolic link", name};
    return std::string(target, static_cast<std::size_t>(size));
}

} // namespace

Result<Fd> open_folder(int top, const std::vector<SnapshotEntry> &entries, std::size_t index) {
    std::vector<std::size_t> way;
    for (; index != 0; index = entries[index].parent) way.push_back(index);
    Fd folder(::openat(top, ".", kFolderFlags));
    if (!folder) return Error{errno, 0, "open folder", "."};
    for (auto step = way.rbegin(); step != way.rend(); ++step) {
        Fd next(::openat(folder.get(), entries[*step].name.c_str(), kFolderFlags));
        if (!next) return Error{errno, 0, "open folder", entries[*step].name};
        folder = std::move(next);
    }
    return folder;
}

Result<void> SnapshotTree::read_attributes(int fd, const std::string &path, SnapshotEntry &entry) const {
    std::vector<char> names(XATTR_LIST_MAX), value(XATTR_SIZE_MAX);
    const ssize_t size = ::flistxattr(fd, names.data(), names.size());
    if (size < 0 && (errno == ENOTSUP || errno == EPERM)) return {};
    if (size < 0 && (errno == E2BIG || errno == ERANGE))
        return warn_(path + ": its extended attributes are left out: they are too many to be listed"), Result<void>();
    if (size < 0) return Error{errno, 0, "read extended attributes", path};
    std::size_t total = 0;
    for (const char *name = names.data(); name < names.data() + size; name += std::string_view(name).size() + 1) {
        if (!is_saved_attribute(name) || is_of_memory(name)) continue;
        const ssize_t length = ::fgetxattr(fd, name, value.data(), value.size());
        if (length < 0 && errno == ENODATA) continue; // removed meanwhile
        if (length < 0) return Error{errno, 0, "read extended attribute", path + ": " + name};
        total += static_cast<std::size_t>(length);
        if (total > kAttributesMost)
            return warn_(path + ": some extended attributes are left out: 512 KiB of them are the most"),
                   Result<void>();
        entry.attributes.push_back({name, std::string(value.data(), static_cast<std::size_t>(length))});
    }
    return {};
}

// What was named itself is never left out.
Result<void> SnapshotTree::leave_out(const std::string &path, Error error) const {
    const bool is_named = entries_.empty() || path == path_of(0);
    if (unreadable_ == Unreadable::refused || error.code != EACCES || is_named) return error;
    warn_(path + ": it can't be read by this user, and is left out");
    return {};
}

Result<void> SnapshotTree::add(int folder, std::uint32_t parent, const std::string &name) {
    const std::string shown = name.empty() ? "." : (parent == 0 ? "" : path_of(parent) + "/") + name;
    struct stat status = {};
    const char *path = name.empty() ? "." : name.c_str();
    const auto failed = [&](const char *doing) -> Result<void> {
        const int code = errno;
        if (!has_vanished(code) || entries_.empty())
            return leave_out(shown, Error{code, 0, doing, shown + advice_for(code)});
        return warn_(shown + ": it has vanished meanwhile, and is left out"), Result<void>();
    };
    if (::fstatat(folder, path, &status, AT_SYMLINK_NOFOLLOW) != 0) return failed("read");
    SnapshotEntry entry;
    Fd file;
    if (S_ISREG(status.st_mode) || S_ISDIR(status.st_mode)) {
        const mode_t kind = status.st_mode & S_IFMT;
        file = Fd(::openat(folder, path, O_RDONLY | O_NOFOLLOW | O_NONBLOCK | O_CLOEXEC));
        if (!file || ::fstat(file.get(), &status) != 0) return failed("open");
        if ((status.st_mode & S_IFMT) != kind) return errno = ESTALE, failed("open");
        TRY(read_attributes(file.get(), shown, entry));
    }
    entry.parent = parent;
    entry.name = name;
    entry.mode = status.st_mode;
    entry.uid = status.st_uid;
    entry.gid = status.st_gid;
    entry.device = S_ISCHR(status.st_mode) || S_ISBLK(status.st_mode) ? status.st_rdev : 0;
    entry.accessed = status.st_atim;
    entry.modified = status.st_mtim;
    if (entry.is_link()) {
        Result<std::string> target = read_target(folder, name);
        if (!target && target.error().code == EINVAL) return errno = ESTALE, failed("read symbolic link");
        if (!target) return errno = target.error().code, failed("read symbolic link");
        entry.target = *std::move(target);
    }
    if (S_ISREG(status.st_mode)) entry.size = static_cast<std::uint64_t>(status.st_size);
    entries_.push_back(std::move(entry));
    inodes_.emplace_back(status.st_dev, status.st_ino);
    return {};
}

// Folders are read in the order of the index, to which each adds at the end.
Result<void> SnapshotTree::scan_folder(std::uint32_t index, dev_t device) {
    if (inodes_[index].first != device) return {}; // mounted here
    const auto failed = [&](const Error &error) -> Result<void> {
        if (is_interrupted()) return interrupted();
        if (!has_vanished(error.code) || index == 0)
            return leave_out(path_of(index), Error{error.code, 0, error.doing, path_of(index)});
        return warn_(path_of(index) + ": it has vanished meanwhile, and what was in it is left out"), Result<void>();
    };
    const Result<Fd> folder = open_folder(top_.get(), entries_, index);
    if (!folder) return failed(folder.error());
    Result<std::vector<std::string>> names = list_folder(folder->get());
    if (!names) return failed(names.error());
    for (const std::string &name : *names) {
        if (is_interrupted()) return interrupted();
        TRY(add(folder->get(), index, name));
        if (entries_.size() >= kNoEntry) return Error{E2BIG, 0, "read", "more than 4 G names"};
    }
    return {};
}

Result<SnapshotTree> SnapshotTree::create(const std::string &path, const Warn &warn, Unreadable unreadable) {
    namespace fs = std::filesystem;
    std::error_code error;
    const fs::path whole = fs::canonical(path, error);
    if (error) return Error{error.value(), 0, "read", path + advice_for(error.value())};
    const bool is_folder = fs::is_directory(whole, error);
    const std::string top = is_folder ? whole : whole.parent_path();
    SnapshotTree tree(Fd(::open(top.c_str(), kFolderFlags)), warn, unreadable);
    if (!tree.top_) return Error{errno, 0, "read", path + advice_for(errno)};
    Result<void> done = tree.add(tree.top_.get(), 0, is_folder ? "" : whole.filename().string());
    if (!done) return Error{done.error().code, 0, done.error().doing, path};
    for (std::uint32_t index = 0; done && index < tree.entries_.size(); ++index)
        if (tree.entries_[index].is_folder()) done = tree.scan_folder(index, tree.inodes_[0].first);
    if (done) done = tree.find_links();
    if (!done) return Error(done.error());
    return tree;
}

// Of several names of one inode the first one has all, and the others refer to it.
Result<void> SnapshotTree::find_links() {
    std::map<std::pair<dev_t, ino_t>, std::uint32_t> firsts;
    for (std::uint32_t index = 0; index < entries_.size(); ++index) {
        if (is_interrupted()) return interrupted();
        SnapshotEntry &entry = entries_[index];
        if (entry.is_folder()) continue;
        const auto [first, is_new] = firsts.emplace(inodes_[index], index);
        // An inode's number may have been given again to another kind of file meanwhile.
        if (is_new || ((entries_[first->second].mode ^ entry.mode) & S_IFMT) != 0) continue;
        entry.link_to = first->second;
        entry.size = 0;
        entry.target.clear();
        entry.attributes.clear();
    }
    return {};
}

std::uint64_t SnapshotTree::data_bytes() const {
    std::uint64_t total = 0;
    for (const SnapshotEntry &entry : entries_) total += entry.size;
    return total;
}

Result<Fd> SnapshotTree::open_name(std::size_t name, std::size_t index, int more_flags) const {
    const SnapshotEntry &entry = entries_[name];
    const Result<Fd> folder = open_folder(top_.get(), entries_, entry.parent);
    if (!folder) return Error{folder.error().code, 0, folder.error().doing, path_of(entry.parent)};
    const int flags = O_RDONLY | O_NOFOLLOW | O_NONBLOCK | O_CLOEXEC | more_flags;
    Fd file(::openat(folder->get(), entry.name.c_str(), flags));
    struct stat status = {};
    if (!file || ::fstat(file.get(), &status) != 0) return Error{errno, 0, "open", path_of(name)};
    if (inodes_[index] != std::pair(status.st_dev, status.st_ino)) return Error{ESTALE, 0, "open", path_of(name)};
    return file;
}

Result<Fd> SnapshotTree::open_file(std::size_t index, int more_flags) const {
    Result<Fd> file = open_name(index, index, more_flags);
    if (file || !has_vanished(file.error().code)) return file;
    for (std::size_t other = index + 1; other < entries_.size(); ++other) {
        if (entries_[other].link_to != index) continue;
        Result<Fd> found = open_name(other, index, more_flags);
        if (found) return found;
    }
    return Error{ESTALE, 0, "read", path_of(index)};
}

bool SnapshotTree::may_have_images() const {
    struct statfs kind = {};
    return ::fstatfs(top_.get(), &kind) == 0 && kind.f_type == FUSE_SUPER_MAGIC;
}

} // namespace gmemfs
