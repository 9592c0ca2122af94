#include "tools/snapshot_tree.hpp"

#include "fuse/core/acl.hpp"
#include "tools/mounts.hpp"

#include <algorithm>
#include <dirent.h>
#include <fcntl.h>
#include <filesystem>
#include <map>
#include <memory>
#include <sys/stat.h>
#include <sys/xattr.h>
#include <unistd.h>

namespace gmemfs {
namespace {

constexpr int kFolderFlags = O_RDONLY | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC;
constexpr std::size_t kValueMost = 64 * KiB;
constexpr std::size_t kAttributesMost = 512 * KiB; // so that an entry's record has room for them

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
        const std::string name = entry->d_name;
        if (name != "." && name != "..") names.push_back(name);
        errno = 0;
    }
    if (errno != 0) return Error{errno, 0, "read folder", ""};
    std::sort(names.begin(), names.end());
    return names;
}

// The users' own, and ACLs: not what the server lists of a file's memory; other namespaces belong to the system.
Result<std::vector<SnapshotAttribute>> read_attributes(int fd) {
    std::vector<SnapshotAttribute> found;
    std::vector<char> names(64 * KiB), value(kValueMost);
    const ssize_t size = ::flistxattr(fd, names.data(), names.size());
    if (size < 0 && (errno == ENOTSUP || errno == EPERM)) return found;
    if (size < 0) return Error{errno, 0, "read extended attributes", ""};
    std::size_t total = 0;
    for (const char *name = names.data(); name < names.data() + size; name += std::string_view(name).size() + 1) {
        if (!std::string_view(name).starts_with("user.") && !is_acl(name)) continue;
        if (std::string_view(name) == "user.allocation_size" || std::string_view(name) == "user.fabric_handle")
            continue;
        const ssize_t length = ::fgetxattr(fd, name, value.data(), value.size());
        if (length < 0 && errno == ENODATA) continue; // removed meanwhile
        if (length < 0) return Error{errno, 0, "read extended attribute", name};
        found.push_back({name, std::string(value.data(), static_cast<std::size_t>(length))});
        total += static_cast<std::size_t>(length);
        if (total > kAttributesMost) return Error{E2BIG, 0, "save extended attributes", "more than 512 KiB of them"};
    }
    return found;
}

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

Result<void> SnapshotTree::add(int folder, std::uint32_t parent, const std::string &name) {
    struct stat status = {};
    const char *path = name.empty() ? "." : name.c_str();
    if (::fstatat(folder, path, &status, AT_SYMLINK_NOFOLLOW) != 0)
        return errno == ENOENT && !entries_.empty() ? Result<void>() : Error{errno, 0, "save", name};
    SnapshotEntry entry;
    entry.parent = parent;
    entry.name = name;
    entry.mode = status.st_mode;
    entry.uid = status.st_uid;
    entry.gid = status.st_gid;
    entry.device = S_ISCHR(status.st_mode) || S_ISBLK(status.st_mode) ? status.st_rdev : 0;
    entry.accessed = status.st_atim;
    entry.modified = status.st_mtim;
    if (entry.is_link()) entry.target = TRY(read_target(folder, name));
    if (S_ISREG(status.st_mode) || entry.is_folder()) {
        const Fd file(::openat(folder, path, O_RDONLY | O_NOFOLLOW | O_NONBLOCK | O_CLOEXEC));
        if (!file) return Error{errno, 0, "open", name + advice_for(errno)};
        entry.attributes = TRY(read_attributes(file.get()));
    }
    if (S_ISREG(status.st_mode)) entry.size = static_cast<std::uint64_t>(status.st_size);
    entries_.push_back(std::move(entry));
    inodes_.emplace_back(status.st_dev, status.st_ino);
    return {};
}

// Folders are read in the order of the index, to which each adds at the end.
Result<void> SnapshotTree::scan_folder(std::uint32_t index, dev_t device) {
    if (inodes_[index].first != device) return {}; // mounted here
    const Result<Fd> folder = open_folder(top_.get(), entries_, index);
    if (!folder) return Error{folder.error().code, 0, "open folder", entries_[index].name};
    Result<std::vector<std::string>> names = list_folder(folder->get());
    if (!names) return Error{names.error().code, 0, "read folder", entries_[index].name};
    for (const std::string &name : *names) {
        TRY(add(folder->get(), index, name));
        if (entries_.size() >= kNoEntry) return Error{E2BIG, 0, "save", "more than 4 G names"};
    }
    return {};
}

Result<SnapshotTree> SnapshotTree::create(const std::string &path) {
    namespace fs = std::filesystem;
    std::error_code error;
    const fs::path whole = fs::canonical(path, error);
    if (error) return Error{error.value(), 0, "save", path + advice_for(error.value())};
    const bool is_folder = fs::is_directory(whole, error);
    const std::string top = is_folder ? whole : whole.parent_path();
    SnapshotTree tree(Fd(::open(top.c_str(), kFolderFlags)));
    if (!tree.top_) return Error{errno, 0, "save", path + advice_for(errno)};
    const Result<void> added = tree.add(tree.top_.get(), 0, is_folder ? "" : whole.filename().string());
    if (!added) return Error(added.error());
    const dev_t device = tree.inodes_[0].first;
    for (std::uint32_t index = 0; index < tree.entries_.size(); ++index)
        if (tree.entries_[index].is_folder()) {
            const Result<void> scanned = tree.scan_folder(index, device);
            if (!scanned) return Error(scanned.error());
        }
    std::map<std::pair<dev_t, ino_t>, std::uint32_t> firsts;
    for (std::uint32_t index = 0; index < tree.entries_.size(); ++index) {
        SnapshotEntry &entry = tree.entries_[index];
        if (entry.is_folder()) continue;
        const auto [first, is_new] = firsts.emplace(tree.inodes_[index], index);
        if (is_new) continue;
        entry.link_to = first->second;
        entry.size = 0;
        entry.target.clear();
        entry.attributes.clear();
    }
    return tree;
}

std::uint64_t SnapshotTree::data_bytes() const {
    std::uint64_t total = 0;
    for (const SnapshotEntry &entry : entries_) total += entry.size;
    return total;
}

Result<Fd> SnapshotTree::open_file(std::size_t index) const {
    const SnapshotEntry &entry = entries_[index];
    const Fd folder = TRY(open_folder(top_.get(), entries_, entry.parent));
    Fd file(::openat(folder.get(), entry.name.c_str(), O_RDONLY | O_NOFOLLOW | O_NONBLOCK | O_CLOEXEC));
    if (!file) return Error{errno, 0, "open", entry.name};
    struct stat status = {};
    if (::fstat(file.get(), &status) != 0) return Error{errno, 0, "stat", entry.name};
    if (inodes_[index] != std::pair(status.st_dev, status.st_ino))
        return Error{ESTALE, 0, "save", entry.name + ": it was replaced meanwhile; save again"};
    return file;
}

} // namespace gmemfs
