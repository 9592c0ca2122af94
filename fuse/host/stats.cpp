#include "fuse/host/stats.hpp"

namespace gmemfs {

const char *op_name(Op op) {
    static constexpr std::array<const char *, kOpCount> kNames = {"lookup", "forget", "getattr", "setattr", "readlink",
        "mknod", "mkdir", "unlink", "rmdir", "symlink", "rename", "link", "open", "create", "read", "write", "flush",
        "release", "fsync", "fallocate", "lseek", "copy_file_range", "opendir", "readdir", "releasedir", "statfs",
        "setxattr", "getxattr", "listxattr", "removexattr", "ioctl"};
    return kNames.at(static_cast<std::size_t>(op));
}

} // namespace gmemfs
