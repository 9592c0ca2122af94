// Passthrough: the emptiest FUSE server that keeps names: each request is the same call on another filesystem.
//
// What a filesystem behind FUSE can reach at the most with metadata: the requests, the timeouts and the libfuse of
// gmemfs, and no work of its own but the system call. An inode is the path of the file behind it: a
// descriptor for each of 100,000 files is more than a process may have. So no directory is renamed.
//
//     passthrough [--threads N] FOLDER MOUNTPOINT      in the foreground, until unmounted
#include "tests/bench/fuse_session.hpp"

#include <fuse_lowlevel.h>

#include <cerrno>
#include <cstdint>
#include <cstdio>
#include <cstdlib>
#include <dirent.h>
#include <fcntl.h>
#include <getopt.h>
#include <mutex>
#include <string>
#include <sys/stat.h>
#include <unistd.h>
#include <unordered_map>
#include <vector>

namespace {

constexpr double kTrusted = 3600; // seconds, as gmemfs has it

struct Node {
    std::string path; // from the root
    ino_t inode = 0;
    std::uint64_t lookups = 0;
};

// The inodes that the kernel knows; their address is its name for them.
class Nodes {
public:
    explicit Nodes(int root) : root_(root) {}
    int root() const { return root_; }
    std::string path(fuse_ino_t ino) {
        if (ino == FUSE_ROOT_ID) return ".";
        const std::lock_guard<std::mutex> hold(mutex_);
        return find(ino)->path;
    }
    std::string path(fuse_ino_t parent, const char *name) { return path(parent) + "/" + name; }

    fuse_ino_t add(const std::string &path, ino_t inode) {
        const std::lock_guard<std::mutex> hold(mutex_);
        Node &node = nodes_[inode];
        if (node.lookups++ == 0) node = {path, inode, 1};
        return reinterpret_cast<fuse_ino_t>(&node); // stays where it is: unordered_map never moves its values
    }
    void move(const std::string &path, ino_t inode) {
        const std::lock_guard<std::mutex> hold(mutex_);
        const auto found = nodes_.find(inode);
        if (found != nodes_.end()) found->second.path = path;
    }
    void forget(fuse_ino_t ino, std::uint64_t lookups) {
        if (ino == FUSE_ROOT_ID) return;
        const std::lock_guard<std::mutex> hold(mutex_);
        Node *const node = find(ino);
        node->lookups -= lookups;
        if (node->lookups == 0) nodes_.erase(node->inode);
    }

private:
    static Node *find(fuse_ino_t ino) { return reinterpret_cast<Node *>(ino); } // NOLINT(performance-no-int-to-ptr)
    const int root_;
    std::mutex mutex_;
    std::unordered_map<ino_t, Node> nodes_;
};

Nodes &nodes_of(fuse_req_t request) { return *static_cast<Nodes *>(fuse_req_userdata(request)); }
void reply_status(fuse_req_t request, int result) { fuse_reply_err(request, result == 0 ? 0 : errno); }

bool look_up(fuse_req_t request, fuse_ino_t parent, const char *name, fuse_entry_param &entry) {
    entry = {};
    entry.attr_timeout = entry.entry_timeout = kTrusted;
    Nodes &nodes = nodes_of(request);
    const std::string path = nodes.path(parent, name);
    if (::fstatat(nodes.root(), path.c_str(), &entry.attr, AT_SYMLINK_NOFOLLOW) != 0)
        return errno == ENOENT; // inode 0: the kernel remembers that there is none
    entry.ino = nodes.add(path, entry.attr.st_ino);
    return true;
}

void reply_entry(fuse_req_t request, fuse_ino_t parent, const char *name) {
    fuse_entry_param entry;
    if (look_up(request, parent, name, entry))
        fuse_reply_entry(request, &entry);
    else
        fuse_reply_err(request, errno);
}

void op_lookup(fuse_req_t request, fuse_ino_t parent, const char *name) { reply_entry(request, parent, name); }

void op_forget(fuse_req_t request, fuse_ino_t ino, std::uint64_t lookups) {
    nodes_of(request).forget(ino, lookups);
    fuse_reply_none(request);
}

void op_forget_multi(fuse_req_t request, std::size_t count, fuse_forget_data *forgets) {
    for (std::size_t index = 0; index < count; ++index)
        nodes_of(request).forget(forgets[index].ino, forgets[index].nlookup);
    fuse_reply_none(request);
}

void op_getattr(fuse_req_t request, fuse_ino_t ino, fuse_file_info *) {
    Nodes &nodes = nodes_of(request);
    struct stat attributes = {};
    if (::fstatat(nodes.root(), nodes.path(ino).c_str(), &attributes, AT_SYMLINK_NOFOLLOW) != 0)
        fuse_reply_err(request, errno);
    else
        fuse_reply_attr(request, &attributes, kTrusted);
}

void op_mkdir(fuse_req_t request, fuse_ino_t parent, const char *name, mode_t mode) {
    Nodes &nodes = nodes_of(request);
    if (::mkdirat(nodes.root(), nodes.path(parent, name).c_str(), mode) != 0)
        fuse_reply_err(request, errno);
    else
        reply_entry(request, parent, name);
}

void op_rmdir(fuse_req_t request, fuse_ino_t parent, const char *name) {
    Nodes &nodes = nodes_of(request);
    reply_status(request, ::unlinkat(nodes.root(), nodes.path(parent, name).c_str(), AT_REMOVEDIR));
}

void op_unlink(fuse_req_t request, fuse_ino_t parent, const char *name) {
    Nodes &nodes = nodes_of(request);
    reply_status(request, ::unlinkat(nodes.root(), nodes.path(parent, name).c_str(), 0));
}

void op_rename(
    fuse_req_t request, fuse_ino_t from, const char *name, fuse_ino_t to, const char *new_name, unsigned flags) {
    Nodes &nodes = nodes_of(request);
    const std::string target = nodes.path(to, new_name);
    struct stat moved = {};
    const int root = nodes.root();
    int result = ::renameat2(root, nodes.path(from, name).c_str(), root, target.c_str(), flags);
    if (result == 0) result = ::fstatat(root, target.c_str(), &moved, AT_SYMLINK_NOFOLLOW);
    if (result == 0) nodes.move(target, moved.st_ino);
    reply_status(request, result);
}

void op_create(fuse_req_t request, fuse_ino_t parent, const char *name, mode_t mode, fuse_file_info *file) {
    Nodes &nodes = nodes_of(request);
    const int fd = ::openat(nodes.root(), nodes.path(parent, name).c_str(), file->flags | O_CREAT, mode);
    fuse_entry_param entry;
    if (fd == -1 || !look_up(request, parent, name, entry)) {
        fuse_reply_err(request, errno);
        if (fd != -1) ::close(fd);
        return;
    }
    file->fh = static_cast<std::uint64_t>(fd);
    file->direct_io = 1;
    fuse_reply_create(request, &entry, file);
}

void op_open(fuse_req_t request, fuse_ino_t ino, fuse_file_info *file) {
    Nodes &nodes = nodes_of(request);
    const int fd = ::openat(nodes.root(), nodes.path(ino).c_str(), file->flags);
    if (fd == -1) {
        fuse_reply_err(request, errno);
        return;
    }
    file->fh = static_cast<std::uint64_t>(fd);
    file->direct_io = 1;
    fuse_reply_open(request, file);
}

void op_release(fuse_req_t request, fuse_ino_t, fuse_file_info *file) {
    reply_status(request, ::close(static_cast<int>(file->fh)));
}

void op_opendir(fuse_req_t request, fuse_ino_t ino, fuse_file_info *file) {
    Nodes &nodes = nodes_of(request);
    const int fd = ::openat(nodes.root(), nodes.path(ino).c_str(), O_RDONLY | O_DIRECTORY | O_CLOEXEC);
    DIR *const listing = fd == -1 ? nullptr : ::fdopendir(fd);
    if (listing == nullptr) {
        fuse_reply_err(request, errno);
        return;
    }
    file->fh = reinterpret_cast<std::uint64_t>(listing);
    fuse_reply_open(request, file);
}

void op_readdirplus(fuse_req_t request, fuse_ino_t ino, std::size_t size, off_t offset, fuse_file_info *file) {
    auto *const listing = reinterpret_cast<DIR *>(file->fh); // NOLINT(performance-no-int-to-ptr)
    std::vector<char> bytes(size);
    std::size_t used = 0;
    if (offset != ::telldir(listing)) ::seekdir(listing, offset);
    for (long place = ::telldir(listing); const dirent *const found = ::readdir(listing); place = ::telldir(listing)) {
        const std::string name = found->d_name;
        fuse_entry_param entry = {};
        const bool is_dots = name == "." || name == "..";
        if (is_dots)
            entry.attr.st_mode = S_IFDIR;
        else if (!look_up(request, ino, name.c_str(), entry))
            continue;
        const std::size_t length =
            fuse_add_direntry_plus(request, bytes.data() + used, size - used, name.c_str(), &entry, found->d_off);
        if (length > size - used) {
            if (!is_dots && entry.ino != 0) nodes_of(request).forget(entry.ino, 1);
            ::seekdir(listing, place);
            break;
        }
        used += length;
    }
    fuse_reply_buf(request, bytes.data(), used);
}

void op_releasedir(fuse_req_t request, fuse_ino_t, fuse_file_info *file) {
    reply_status(request, ::closedir(reinterpret_cast<DIR *>(file->fh))); // NOLINT(performance-no-int-to-ptr)
}

fuse_lowlevel_ops operations() {
    fuse_lowlevel_ops ops = {};
    ops.lookup = op_lookup;
    ops.forget = op_forget;
    ops.forget_multi = op_forget_multi;
    ops.getattr = op_getattr;
    ops.mkdir = op_mkdir;
    ops.rmdir = op_rmdir;
    ops.unlink = op_unlink;
    ops.rename = op_rename;
    ops.create = op_create;
    ops.open = op_open;
    ops.release = op_release;
    ops.opendir = op_opendir;
    ops.readdirplus = op_readdirplus;
    ops.releasedir = op_releasedir;
    return ops;
}

int serve(const char *program, const char *folder, const char *mount_point, unsigned threads) {
    Nodes nodes(::open(folder, O_PATH | O_DIRECTORY | O_CLOEXEC));
    if (nodes.root() == -1) {
        std::perror(folder);
        return 1;
    }
    ::umask(0);
    return gmemfs::serve_mount(program, "-odefault_permissions,fsname=passthrough,subtype=passthrough", mount_point,
        operations(), &nodes, [&](fuse_session *session) { return gmemfs::loop_with_threads(session, threads) == 0; });
}

} // namespace

int main(int argc, char **argv) {
    constexpr option kOptions[] = {{"threads", required_argument, nullptr, 't'}, {}};
    unsigned threads = 4;
    for (int key = 0; (key = ::getopt_long(argc, argv, "", kOptions, nullptr)) != -1;) {
        if (key == '?') return 2;
        threads = static_cast<unsigned>(std::strtoul(optarg, nullptr, 10));
    }
    if (optind + 2 == argc && threads > 0) return serve(argv[0], argv[optind], argv[optind + 1], threads);
    std::fputs("usage: passthrough [--threads N] FOLDER MOUNTPOINT\n", stderr);
    return 2;
}
