#include "fuse/host/mount_point.hpp"

#include "vmm/base/fd.hpp"

#include <glib.h>

#include <algorithm>
#include <climits>
#include <cstdlib>
#include <fcntl.h>
#include <filesystem>
#include <fstream>
#include <sys/mount.h>
#include <sys/stat.h>
#include <sys/statfs.h>
#include <sys/xattr.h>
#include <unistd.h>

namespace gmemfs {
namespace {

Error cannot_mount(int code, const std::string &path, const std::string &what_to_do) {
    return Error{code, 0, "mount", path + ": " + what_to_do};
}

bool allows_other() {
    std::ifstream config("/etc/fuse.conf");
    for (std::string line; std::getline(config, line);)
        if (line.rfind("user_allow_other", 0) == 0) return true;
    return false;
}

} // namespace

Result<std::string> check_mount_point(const std::string &path) {
    struct stat status = {};
    struct statfs filesystem = {};
    // The kernel answers stat(2) from what it remembers, even when the server has died. For statfs(2) it has to ask.
    if (::stat(path.c_str(), &status) != 0 || ::statfs(path.c_str(), &filesystem) != 0) {
        const int code = errno == ECONNABORTED ? ENOTCONN : errno; // the server died while it was asked
        if (code == ENOTCONN)
            return cannot_mount(
                code, path, "the server of the mount there has died: `gmemfs umount " + path + "` lets go of it");
        if (code == ENOENT) return cannot_mount(code, path, "make the mount point first: mkdir -p " + path);
        return cannot_mount(code, path, "the mount point can't be used");
    }
    if (!S_ISDIR(status.st_mode)) return cannot_mount(ENOTDIR, path, "a mount point is a directory");
    // The kernel and fusermount3 want the user that mounts to be able to write there.
    if (::geteuid() != 0 && ::access(path.c_str(), W_OK) != 0)
        return cannot_mount(errno, path, "the mount point must be writable by the user who mounts");
    if (::getxattr(path.c_str(), "user.gmemfs.stats", nullptr, 0) >= 0)
        return cannot_mount(EBUSY, path,
            "a gmemfs is mounted there already: `gmemfs umount " + path + "` ends it, and gives its files up");
    char resolved[PATH_MAX];
    if (::realpath(path.c_str(), resolved) == nullptr) return cannot_mount(errno, path, "it can't be resolved");
    return std::string(resolved);
}

bool would_lie_in(const std::string &path, const std::string &mount_point) {
    namespace fs = std::filesystem;
    constexpr int kFollowed = 40; // as the kernel has it
    std::error_code error;
    fs::path real = path;
    for (int links = 0; links < kFollowed && fs::is_symlink(real, error); ++links) {
        const fs::path target = fs::read_symlink(real, error);
        real = target.is_absolute() ? target : real.parent_path() / target;
    }
    real = fs::weakly_canonical(real, error);
    struct stat top = {};
    struct stat folder = {};
    if (error || ::stat(mount_point.c_str(), &top) != 0) return false;
    for (;; real = real.parent_path()) { // by number, for a folder may have several names
        if (::stat(real.c_str(), &folder) == 0 && folder.st_dev == top.st_dev && folder.st_ino == top.st_ino)
            return true;
        if (!real.has_relative_path()) return false;
    }
}

Result<void> check_own_files(const Options &options) {
    const auto check = [&](const char *what, const std::string &path) -> Result<void> {
        if (path.empty() || !would_lie_in(path, options.mount_point)) return {};
        return cannot_mount(
            EINVAL, path, std::string(what) + " would lie in the mount, which needs it: name another place");
    };
    TRY(check("the log", options.log_file));
    TRY(check("the runtime folder", runtime_base()));
    return check("this program", "/proc/self/exe");
}

Result<void> check_fuse(const Options &options) {
    const Fd device(::open("/dev/fuse", O_RDWR | O_CLOEXEC));
    if (!device) {
        const int code = errno;
        if (code == EACCES || code == EPERM)
            return Error{code, 0, "open /dev/fuse", "this user may not: chmod 666 /dev/fuse, or mount as root"};
        return Error{code, 0, "open /dev/fuse",
            "load the kernel's module with `modprobe fuse`; a container needs --device /dev/fuse --cap-add SYS_ADMIN"};
    }
    if (::geteuid() == 0) return {};
    gchar *const program = g_find_program_in_path("fusermount3");
    if (program == nullptr)
        return Error{ENOENT, 0, "find fusermount3", "install the package fuse3; without it only root can mount"};
    g_free(program);
    const auto &words = options.mount_options;
    const bool wants_others = std::any_of(words.begin(), words.end(),
        [](const std::string &word) { return word == "allow_other" || word == "allow_root"; });
    if (wants_others && !allows_other())
        return Error{
            EPERM, 0, "mount with allow_other", "root must put the line user_allow_other into /etc/fuse.conf first"};
    return {};
}

} // namespace gmemfs
