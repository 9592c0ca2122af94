// Passthrough: the emptiest FUSE server that keeps names: each request is the same call on another filesystem.
//
// What a filesystem behind FUSE can reach at the most with metadata: the requests, the timeouts and the libfuse of
// gmemfs, and no work of its own but the system call. An inode is an O_PATH descriptor of the file behind it.
//
//     passthrough [--threads N] FOLDER MOUNTPOINT      in the foreground, until unmounted
#include <fuse_lowlevel.h>

#include <cerrno>
#include <cstdio>
#include <cstdlib>
#include <dirent.h>
#include <fcntl.h>
#include <getopt.h>
#include <mutex>
#include <string>
#include <sys/resource.h>
#include <sys/stat.h>
#include <unistd.h>
#include <unordered_map>
#include <vector>

namespace {

constexpr double kTrusted = 3600; // seconds, as gmemfs has it

struct Node {
    int fd = -1; // O_PATH
    ino_t inode = 0;
    std::uint64_t lookups = 0;
};

// The inodes that the kernel knows; their address is its name for them.
class Nodes {
public:
    explicit Nodes(int root) : root_{root, 0, 1} {}
    Node *find(fuse_ino_t ino) {
        return ino == FUSE_ROOT_ID ? &root_ : reinterpret_cast<Node *>(ino); // NOLINT(performance-no-int-to-ptr)
    }
    int fd(fuse_ino_t ino) { return find(ino)->fd; }

    // Takes the descriptor; an inode that is known already closes it.
    fuse_ino_t add(int fd, ino_t inode) {
        const std::lock_guard<std::mutex> hold(mutex_);
        Node &node = nodes_[inode];
        if (node.fd == -1)
            node = {fd, inode, 0};
        else
            ::close(fd);
        ++node.lookups;
        return reinterpret_cast<fuse_ino_t>(&node); // stays where it is: unordered_map never moves its values
    }
    void forget(fuse_ino_t ino, std::uint64_t lookups) {
        if (ino == FUSE_ROOT_ID) return;
        const std::lock_guard<std::mutex> hold(mutex_);
        Node *const node = find(ino);
        node->lookups -= lookups;
        if (node->lookups != 0) return;
        ::close(node->fd);
        nodes_.erase(node->inode);
    }

private:
    std::mutex mutex_;
    std::unordered_map<ino_t, Node> nodes_;
    Node root_;
};

Nodes &nodes_of(fuse_req_t request) { return *static_cast<Nodes *>(fuse_req_userdata(request)); }
std::string link_to(int fd) { return "/proc/self/fd/" + std::to_string(fd); }
void reply_status(fuse_req_t request, int result) { fuse_reply_err(request, result == 0 ? 0 : errno); }

bool look_up(fuse_req_t request, fuse_ino_t parent, const char *name, fuse_entry_param &entry) {
    entry = {};
    entry.attr_timeout = entry.entry_timeout = kTrusted;
    const int fd = ::openat(nodes_of(request).fd(parent), name, O_PATH | O_NOFOLLOW | O_CLOEXEC);
    if (fd == -1) return errno == ENOENT; // inode 0: the kernel remembers that there is none
    if (::fstatat(fd, "", &entry.attr, AT_EMPTY_PATH) != 0) {
        ::close(fd);
        return false;
    }
    entry.ino = nodes_of(request).add(fd, entry.attr.st_ino);
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
    struct stat attributes = {};
    if (::fstatat(nodes_of(request).fd(ino), "", &attributes, AT_EMPTY_PATH) != 0)
        fuse_reply_err(request, errno);
    else
        fuse_reply_attr(request, &attributes, kTrusted);
}

void op_mkdir(fuse_req_t request, fuse_ino_t parent, const char *name, mode_t mode) {
    if (::mkdirat(nodes_of(request).fd(parent), name, mode) != 0)
        fuse_reply_err(request, errno);
    else
        reply_entry(request, parent, name);
}

void op_rmdir(fuse_req_t request, fuse_ino_t parent, const char *name) {
    reply_status(request, ::unlinkat(nodes_of(request).fd(parent), name, AT_REMOVEDIR));
}

void op_unlink(fuse_req_t request, fuse_ino_t parent, const char *name) {
    reply_status(request, ::unlinkat(nodes_of(request).fd(parent), name, 0));
}

void op_rename(
    fuse_req_t request, fuse_ino_t from, const char *name, fuse_ino_t to, const char *new_name, unsigned flags) {
    Nodes &nodes = nodes_of(request);
    reply_status(request, ::renameat2(nodes.fd(from), name, nodes.fd(to), new_name, flags));
}

void op_create(fuse_req_t request, fuse_ino_t parent, const char *name, mode_t mode, fuse_file_info *file) {
    const int fd = ::openat(nodes_of(request).fd(parent), name, (file->flags | O_CREAT) & ~O_NOFOLLOW, mode);
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
    const int fd = ::open(link_to(nodes_of(request).fd(ino)).c_str(), file->flags & ~O_NOFOLLOW);
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
    const int fd = ::openat(nodes_of(request).fd(ino), ".", O_RDONLY | O_DIRECTORY | O_CLOEXEC);
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
    rlimit limit = {};
    ::getrlimit(RLIMIT_NOFILE, &limit); // a descriptor for each inode
    limit.rlim_cur = limit.rlim_max;
    ::setrlimit(RLIMIT_NOFILE, &limit);
    Nodes nodes(::open(folder, O_PATH | O_DIRECTORY | O_CLOEXEC));
    if (nodes.fd(FUSE_ROOT_ID) == -1) {
        std::perror(folder);
        return 1;
    }
    ::umask(0);
    const char *arguments[] = {program, "-odefault_permissions,fsname=passthrough,subtype=passthrough"};
    fuse_args args = FUSE_ARGS_INIT(2, const_cast<char **>(arguments));
    const fuse_lowlevel_ops ops = operations();
    fuse_session *session = fuse_session_new(&args, &ops, sizeof ops, &nodes);
    int status = 1;
    if (session != nullptr && fuse_set_signal_handlers(session) == 0 && fuse_session_mount(session, mount_point) == 0) {
        fuse_loop_config *config = fuse_loop_cfg_create();
        fuse_loop_cfg_set_max_threads(config, threads);
        fuse_loop_cfg_set_idle_threads(config, threads);
        fuse_loop_cfg_set_clone_fd(config, 0);
        status = fuse_session_loop_mt(session, config) == 0 ? 0 : 1;
        fuse_loop_cfg_destroy(config);
        fuse_session_unmount(session);
    }
    if (session != nullptr) {
        fuse_remove_signal_handlers(session);
        fuse_session_destroy(session);
    }
    fuse_opt_free_args(&args);
    return status;
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
