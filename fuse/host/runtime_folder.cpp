#include "fuse/host/runtime_folder.hpp"

#include "fuse/host/options.hpp"
#include "fuse/mounts/unmount.hpp"
#include "fuse/process/spawn.hpp"
#include "vmm/keeper/client.hpp"

#include <glib.h>

#include <cerrno>
#include <cstdio>
#include <fcntl.h>
#include <fstream>
#include <iterator>
#include <poll.h>
#include <sys/file.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <sys/un.h>
#include <unistd.h>

namespace gmemfs {
namespace {

constexpr unsigned kFoldersMax = 8; // of one mount point: its live mount, and those detached lazily
constexpr int kDyingMs = 2000;      // the end of a process with 64 GiB mapped takes 43 ms (H200)
constexpr int kBacklog = 16;
constexpr const char *kSocketName = "keeper.sock";

// The last word for people, a hash of all of it against its like: "gpu-0123456789abcdef".
std::string name_of(const std::string &mount_point) {
    std::string word = mount_point.substr(mount_point.rfind('/') + 1).substr(0, 24);
    for (char &letter : word)
        if (!g_ascii_isalnum(letter) && letter != '-' && letter != '_') letter = '_';
    gchar *const hash = g_compute_checksum_for_string(G_CHECKSUM_SHA256, mount_point.c_str(), -1);
    std::string name = (word.empty() ? "root" : word) + "-" + std::string(hash).substr(0, 16);
    g_free(hash);
    return name;
}

std::string numbered(const std::string &name, unsigned index) {
    return index == 0 ? name : name + "." + std::to_string(index);
}

// Only this user may reach the folder's files, because a process that talks to a keeper gets its memory.
Result<void> make_private(const std::string &path) {
    if (::mkdir(path.c_str(), 0700) != 0 && errno != EEXIST)
        return Error{errno, 0, "make runtime folder", path + ": GMEMFS_RUNTIME_DIR names another place"};
    struct stat status = {};
    if (::lstat(path.c_str(), &status) != 0) return Error{errno, 0, "look at runtime folder", path};
    if (!S_ISDIR(status.st_mode) || status.st_uid != ::geteuid() || (status.st_mode & 077) != 0)
        return Error{EPERM, 0, "use runtime folder",
            path + ": it must be a folder of this user, with mode 0700; remove it, or name another place by "
                   "GMEMFS_RUNTIME_DIR"};
    return {};
}

// Whether `file` is still the file at `path`, because the last owner of its lock may have removed that.
bool is_file_at(const Fd &file, const std::string &path) {
    struct stat held = {};
    struct stat found = {};
    return ::fstat(file.get(), &held) == 0 && ::stat(path.c_str(), &found) == 0 && held.st_ino == found.st_ino &&
           held.st_dev == found.st_dev;
}

// By way of the folder's descriptor, because an address has room for a path of 108 bytes.
sockaddr_un socket_address(const Fd &folder) {
    sockaddr_un address = {};
    address.sun_family = AF_UNIX;
    std::snprintf(address.sun_path, sizeof address.sun_path, "/proc/self/fd/%d/%s", folder.get(), kSocketName);
    return address;
}

Result<Fd> open_socket() {
    Fd socket(::socket(AF_UNIX, SOCK_SEQPACKET | SOCK_CLOEXEC, 0));
    if (!socket) return Error{errno, 0, "make the keeper's socket"};
    return socket;
}

Result<Fd> connect_in(const Fd &folder) {
    Fd socket = TRY(open_socket());
    const sockaddr_un address = socket_address(folder);
    if (::connect(socket.get(), reinterpret_cast<const sockaddr *>(&address), sizeof address) != 0)
        return Error{errno, 0, "connect to the keeper"};
    return socket;
}

// A server that was killed may have left a mount there.
void remove_private_place(const std::string &path) {
    if (::rmdir(path.c_str()) == 0 || errno == ENOENT) return;
    (void)unmount(path, UnmountMode::lazily);
    ::rmdir(path.c_str());
}

void empty_folder(const std::string &path) {
    remove_private_place(path + "/" + kPrivatePlace);
    for (const char *const file : {"/keeper.sock", "/journal", "/journal.new", "/unsaved", "/restoring", "/lock"})
        ::unlink((path + file).c_str());
    ::rmdir(path.c_str());
}

// Whether the process that the lock file names is about to be gone. Then the lock is worth waiting for.
bool wait_for_owner(const Fd &lock) {
    char text[16] = {};
    if (::pread(lock.get(), text, sizeof text - 1, 0) <= 0) return false;
    const Fd owner(static_cast<int>(::syscall(SYS_pidfd_open, std::atoi(text), 0)));
    if (!owner) return errno == ESRCH;
    pollfd ended = {owner.get(), POLLIN, 0};
    return ::poll(&ended, 1, kDyingMs) == 1;
}

} // namespace

Result<StartLock> StartLock::take(const std::string &mount_point) {
    TRY(make_private(runtime_base()));
    const std::string path = runtime_base() + "/" + name_of(mount_point) + ".start";
    while (true) {
        Fd lock(::open(path.c_str(), O_RDWR | O_CREAT | O_CLOEXEC | O_NOFOLLOW, 0600));
        if (!lock || ::flock(lock.get(), LOCK_EX) != 0)
            return Error{errno, 0, "take the lock of the mount point", path};
        if (is_file_at(lock, path)) return StartLock(path, std::move(lock));
    }
}

StartLock::~StartLock() {
    if (lock_) ::unlink(path_.c_str());
}

Result<std::optional<RuntimeFolder>> RuntimeFolder::try_to_take(const std::string &base, const std::string &name) {
    const std::string path = base + "/" + name;
    TRY(make_private(path));
    Fd folder(::open(path.c_str(), O_PATH | O_DIRECTORY | O_CLOEXEC | O_NOFOLLOW));
    Fd lock(::open((path + "/lock").c_str(), O_RDWR | O_CREAT | O_CLOEXEC | O_NOFOLLOW, 0600));
    if (!folder || !lock) return Error{errno, 0, "open runtime folder", path};
    if (::flock(lock.get(), LOCK_EX | LOCK_NB) != 0) {
        if (!wait_for_owner(lock) || ::flock(lock.get(), LOCK_EX | LOCK_NB) != 0) return std::optional<RuntimeFolder>();
    }
    // The last owner of the lock may have removed the folder while this process waited.
    if (!is_file_at(lock, path + "/lock")) return try_to_take(base, name);
    const std::string pid = std::to_string(::getpid()) + "\n";
    if (::ftruncate(lock.get(), 0) != 0 || ::pwrite(lock.get(), pid.data(), pid.size(), 0) < 0)
        return Error{errno, 0, "write to runtime folder", path};
    return std::optional(RuntimeFolder(path, name, std::move(folder), std::move(lock)));
}

Result<RuntimeFolder> RuntimeFolder::take(const std::string &mount_point) {
    const std::string base = runtime_base();
    TRY(make_private(base));
    const std::string name = name_of(mount_point);
    std::optional<RuntimeFolder> unused;
    for (unsigned index = 0; index < kFoldersMax; ++index) {
        const bool is_there = ::access((base + "/" + numbered(name, index)).c_str(), F_OK) == 0;
        if (!is_there && unused) continue;
        std::optional<RuntimeFolder> folder = TRY(try_to_take(base, numbered(name, index)));
        if (!folder) continue;
        if (folder->connect_keeper()) return *std::move(folder); // what a dead server left goes first
        if (unused)
            folder->remove();
        else
            unused = std::move(folder);
    }
    if (unused) return *std::move(unused);
    return Error{EBUSY, 0, "take runtime folder",
        base + "/" + name + ": eight servers of " + mount_point + " live already; close what is open there"};
}

Result<Fd> RuntimeFolder::connect_keeper() const { return connect_in(folder_); }

Result<Fd> RuntimeFolder::make_keeper_socket() const {
    Fd listener = TRY(open_socket());
    const sockaddr_un address = socket_address(folder_);
    ::unlink(address.sun_path); // of a keeper that is dead, or we would have connected to it
    // What bind(2) makes has the socket's own mode, whatever the umask was.
    if (::fchmod(listener.get(), 0600) != 0 ||
        ::bind(listener.get(), reinterpret_cast<const sockaddr *>(&address), sizeof address) != 0 ||
        ::listen(listener.get(), kBacklog) != 0)
        return Error{errno, 0, "make the keeper's socket", path_};
    return listener;
}

Result<Fd> RuntimeFolder::start_keeper(const std::vector<std::string> &arguments) const {
    const Fd listener = TRY(make_keeper_socket());
    std::vector<std::string> words = {"keeper"};
    words.insert(words.end(), arguments.begin(), arguments.end());
    TRY(spawn_self(words, {.extra = listener.get()}));
    return connect_in(folder_); // the socket listens already, and the keeper answers when it is there
}

Result<std::string> RuntimeFolder::make_private_place() const {
    std::string place = path_ + "/" + kPrivatePlace;
    remove_private_place(place);
    TRY(make_private(place));
    return place;
}

bool RuntimeFolder::is_intact() const {
    const std::string socket = path_ + "/" + kSocketName;
    return is_file_at(lock_, path_ + "/lock") && ::access(journal_path().c_str(), F_OK) == 0 &&
           ::access(socket.c_str(), F_OK) == 0;
}

Result<Fd> RuntimeFolder::make_again() {
    TRY(make_private(runtime_base()));
    if (!is_file_at(lock_, path_ + "/lock")) {
        std::optional<RuntimeFolder> made = TRY(try_to_take(runtime_base(), name_));
        if (!made) return Error{EBUSY, 0, "make the runtime folder again", path_ + ": another server has taken it"};
        folder_ = std::move(made->folder_);
        lock_ = std::move(made->lock_);
    }
    return make_keeper_socket();
}

void RuntimeFolder::remove() const {
    if (is_file_at(lock_, path_ + "/lock") || ::access((path_ + "/lock").c_str(), F_OK) != 0) empty_folder(path_);
}

namespace {

// Calls visit(path, folder, its lock file) for each folder of the mount point that is there.
template <typename Visit>
void for_each_folder(const std::string &mount_point, Visit visit) {
    const std::string base = runtime_base();
    for (unsigned index = 0; index < kFoldersMax; ++index) {
        const std::string path = base + "/" + numbered(name_of(mount_point), index);
        const Fd folder(::open(path.c_str(), O_PATH | O_DIRECTORY | O_CLOEXEC | O_NOFOLLOW));
        const Fd lock(::open((path + "/lock").c_str(), O_RDWR | O_CLOEXEC | O_NOFOLLOW));
        if (folder && lock) visit(path, folder, lock);
    }
}

// Calls visit(path, connection to the keeper or the error) for each folder of the mount point that no server holds,
// while this process holds it.
template <typename Visit>
void for_each_abandoned(const std::string &mount_point, Owner owner, Visit visit) {
    for_each_folder(mount_point, [&](const std::string &path, const Fd &folder, const Fd &lock) {
        const bool is_free =
            ::flock(lock.get(), LOCK_EX | LOCK_NB) == 0 ||
            (owner == Owner::is_waited_for && wait_for_owner(lock) && ::flock(lock.get(), LOCK_EX | LOCK_NB) == 0);
        if (is_free) visit(path, connect_in(folder));
    });
}

} // namespace

bool has_abandoned_keeper(const std::string &mount_point, Owner owner) {
    bool found = false;
    for_each_abandoned(mount_point, owner,
        [&](const std::string &, const Result<Fd> &keeper) { found = found || keeper.has_value(); });
    return found;
}

std::optional<SavingServer> find_saving_server(const std::string &mount_point) {
    std::optional<SavingServer> found;
    for_each_folder(mount_point, [&](const std::string &path, const Fd &, const Fd &lock) {
        const std::string unsaved = path + "/unsaved";
        if (::flock(lock.get(), LOCK_EX | LOCK_NB) == 0 || ::access(unsaved.c_str(), F_OK) != 0) return;
        found = SavingServer{std::atoi(read_text(path + "/lock").c_str()), unsaved};
    });
    return found;
}

Result<void> write_private(const std::string &path, const std::string &text) {
    const Fd file(::open(path.c_str(), O_WRONLY | O_CREAT | O_TRUNC | O_NOFOLLOW | O_CLOEXEC, 0600));
    if (!file || ::write(file.get(), text.data(), text.size()) != static_cast<ssize_t>(text.size()))
        return Error{file && errno == 0 ? EIO : errno, 0, "write to runtime folder", path};
    return {};
}

std::string read_text(const std::string &path) {
    std::ifstream file(path);
    return {std::istreambuf_iterator<char>(file), {}};
}

unsigned end_abandoned_keepers(const std::string &mount_point) {
    unsigned count = 0;
    for_each_abandoned(mount_point, Owner::is_waited_for, [&](const std::string &path, const Result<Fd> &keeper) {
        if (keeper) {
            end_keeper(*keeper);
            ++count;
        }
        empty_folder(path);
    });
    return count;
}

} // namespace gmemfs
