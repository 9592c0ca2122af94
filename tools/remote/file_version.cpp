#include "tools/remote/file_version.hpp"

#include "tools/copy/ends.hpp"
#include "tools/copy/verify.hpp"

#include <linux/magic.h>
#include <sys/stat.h>
#include <sys/statfs.h>
#include <sys/xattr.h>

namespace gmemfs {
namespace {

constexpr const char *kGeneration = "user.gmemfs.generation";

} // namespace

bool is_in_mount(int fd) {
    // Elsewhere any user may have set an attribute of that name; other FUSE filesystems don't keep gmemfs'.
    struct statfs kind = {};
    return ::fstatfs(fd, &kind) == 0 && kind.f_type == FUSE_SUPER_MAGIC &&
           ::fgetxattr(fd, kGeneration, nullptr, 0) >= 0;
}

Result<FileVersion> read_version(int fd) {
    struct stat status = {};
    if (::fstat(fd, &status) != 0) return Error{errno, 0, "stat", {}};
    FileVersion version = {static_cast<std::uint64_t>(status.st_size), status.st_mtim, {}};
    char value[32] = {};
    if (is_in_mount(fd) && ::fgetxattr(fd, kGeneration, value, sizeof value - 1) > 0) version.generation = value;
    return version;
}

Result<std::string> digest_of_file(int fd, std::uint64_t size, unsigned threads) {
    if (is_in_mount(fd) && !is_packed(fd))
        if (std::optional<std::string> digest = TRY(ask_digest(fd))) return *std::move(digest);
    return make_digest(fd, size, threads);
}

} // namespace gmemfs
