#include "fuse/mounts/unmount.hpp"

#include <glib.h>

#include <sys/mount.h>
#include <sys/wait.h>
#include <unistd.h>

namespace gmemfs {
namespace {

// An ordinary user's way: fusermount3 is setuid, and checks that the mount is theirs.
Result<void> unmount_by_fusermount(const std::string &mount_point, UnmountMode mode) {
    const char *const flag = mode == UnmountMode::lazily ? "-z" : "--";
    const char *arguments[] = {"fusermount3", "-u", flag, mount_point.c_str(), nullptr};
    gchar *said = nullptr;
    gint status = 0;
    GError *error = nullptr;
    const gboolean ran = g_spawn_sync(nullptr, const_cast<gchar **>(arguments), nullptr, G_SPAWN_SEARCH_PATH, nullptr,
        nullptr, nullptr, &said, &status, &error);
    if (!ran) {
        std::string reason = error->message;
        g_error_free(error);
        return Error{ENOENT, 0, "run fusermount3", reason + ": install the package fuse3"};
    }
    std::string text = g_strchomp(said);
    g_free(said);
    if (WIFEXITED(status) && WEXITSTATUS(status) == 0) return {};
    if (text.find("busy") != std::string::npos) return Error{EBUSY, 0, "unmount", mount_point};
    return Error{EPERM, 0, "unmount", mount_point + ": " + (text.empty() ? "fusermount3 refused" : text)};
}

} // namespace

Result<void> unmount(const std::string &mount_point, UnmountMode mode) {
    if (::geteuid() != 0) return unmount_by_fusermount(mount_point, mode);
    const int flags = UMOUNT_NOFOLLOW | (mode == UnmountMode::lazily ? MNT_DETACH : 0);
    if (::umount2(mount_point.c_str(), flags) != 0) return Error{errno, 0, "unmount", mount_point};
    return {};
}

} // namespace gmemfs
