#include "fuse/host/options.hpp"

#include <cstdlib>
#include <filesystem>
#include <unistd.h>

namespace gmemfs {

Result<void> fix_runtime_base() {
    std::error_code error;
    const std::string base = std::filesystem::absolute(runtime_base(), error);
    if (error) return Error{error.value(), 0, "find runtime folder", runtime_base() + ": name it by its whole path"};
    ::setenv("GMEMFS_RUNTIME_DIR", base.c_str(), 1);
    return {};
}

std::string runtime_base() {
    if (const char *const folder = std::getenv("GMEMFS_RUNTIME_DIR"); folder != nullptr && *folder != '\0')
        return folder;
    if (::geteuid() == 0) return "/run/gmemfs"; // in any login session, because `sudo` must find what systemd has left
    if (const char *const folder = std::getenv("XDG_RUNTIME_DIR"); folder != nullptr && *folder != '\0')
        return std::string(folder) + "/gmemfs";
    return "/tmp/gmemfs-" + std::to_string(::geteuid());
}

} // namespace gmemfs
