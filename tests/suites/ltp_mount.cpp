// LTP mount: a mount(2) for LTP's tests that makes a folder of $SUITES_PLACE appear wherever they mount a tmpfs.
//
// Many of these tests make a filesystem of each kind on a disk of their own. With LTP_SINGLE_FS_TYPE=tmpfs they mount
// one tmpfs instead, and with this library (LD_PRELOAD) the filesystem under test.
#include <climits>
#include <cstdio>
#include <cstdlib>
#include <cstring>
#include <dlfcn.h>
#include <sys/mount.h>
#include <sys/stat.h>
#include <unistd.h>

extern "C" int mount(
    const char *source, const char *target, const char *type, unsigned long flags, const void *options) noexcept {
    using Mount = int (*)(const char *, const char *, const char *, unsigned long, const void *);
    static const auto kReal = reinterpret_cast<Mount>(::dlsym(RTLD_NEXT, "mount"));
    const char *const place = std::getenv("SUITES_PLACE");
    if (place == nullptr || type == nullptr || std::strcmp(type, "tmpfs") != 0)
        return kReal(source, target, type, flags, options);
    if ((flags & MS_REMOUNT) != 0) return kReal(nullptr, target, nullptr, flags | MS_BIND, nullptr);
    char path[PATH_MAX];
    std::snprintf(path, sizeof path, "%s/disk-XXXXXX", place);
    if (::mkdtemp(path) == nullptr || ::chmod(path, 0755) != 0) return -1;
    if (kReal(path, target, nullptr, MS_BIND, nullptr) != 0) return -1;
    // A new bind mount has no flags of its own: they come with a second call.
    const unsigned long own = flags & (MS_RDONLY | MS_NOSUID | MS_NODEV | MS_NOEXEC | MS_NOATIME | MS_NODIRATIME);
    return own == 0 ? 0 : kReal(nullptr, target, nullptr, MS_REMOUNT | MS_BIND | own, nullptr);
}
