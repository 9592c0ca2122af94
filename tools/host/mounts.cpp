#include "tools/host/mounts.hpp"

#include "fuse/host/json_text.hpp"
#include "vmm/base/limits.hpp"

#include <nlohmann/json.hpp>

#include <filesystem>
#include <sys/xattr.h>

namespace gmemfs {
Result<std::string> resolve_mount_point(const std::string &path) {
    namespace fs = std::filesystem;
    std::error_code error;
    fs::path whole = fs::absolute(path, error).lexically_normal();
    if (!whole.has_filename()) whole = whole.parent_path(); // a slash at the end
    if (!whole.has_relative_path()) return std::string("/");
    const fs::path folder = fs::canonical(whole.parent_path(), error);
    if (error) return Error{error.value(), 0, "find mount point", path};
    const fs::path joined = folder / whole.filename();
    if (const auto mount = find_mount(joined); mount && *mount) return joined.string(); // its server is not asked
    // A symbolic link to a mount point is followed; the root of a dead mount can't be, and needn't be.
    const fs::path target = fs::canonical(joined, error);
    return error ? joined.string() : target.string();
}

bool lies_under(const std::string &path, const std::string &folder) {
    return folder == "/" || (path.starts_with(folder) && (path.size() == folder.size() || path[folder.size()] == '/'));
}

const char *advice_for(int code) {
    return code == ENOTCONN ? ": its server has died: `gmemfs mount` serves its files again" : "";
}

Result<Mount> find_mount_of(const std::string &path) {
    std::error_code error;
    const std::string whole = std::filesystem::canonical(path, error).string();
    if (error) return Error{error.value(), 0, "find", path + advice_for(error.value())};
    Mount found;
    for (Mount &mount : TRY(list_mounts("")))
        if (lies_under(whole, mount.path) && mount.path.size() >= found.path.size()) found = std::move(mount);
    if (found.type != kFilesystemType)
        return Error{EINVAL, 0, "find mount", path + " is on no gmemfs mount; `gmemfs df` lists them"};
    return found;
}

Result<std::string> read_attribute(const std::string &path, const char *name) {
    std::string value(kXattrSizeMax, '\0');
    const ssize_t size = ::getxattr(path.c_str(), name, value.data(), value.size());
    if (size < 0) return Error{errno, 0, "read attribute", std::string(name) + " of " + path + advice_for(errno)};
    value.resize(static_cast<std::size_t>(size));
    return value;
}

Result<nlohmann::json> read_stats(const std::string &path) {
    const std::string text = TRY(read_attribute(path, "user.gmemfs.stats"));
    nlohmann::json stats = json_of(text);
    if (!stats.is_object()) return Error{EPROTO, 0, "read counters", path + ": user.gmemfs.stats is no JSON object"};
    return stats;
}

} // namespace gmemfs
