#include "tools/mounts.hpp"

#include "vmm/base/limits.hpp"

#include <filesystem>
#include <fstream>
#include <sstream>
#include <sys/xattr.h>

namespace gmemfs {
namespace {

// mountinfo writes a space, a tab, a newline and a backslash as \ooo.
std::string unescape(const std::string &text) {
    std::string plain;
    for (std::size_t index = 0; index < text.size(); ++index) {
        if (text[index] == '\\' && index + 3 < text.size()) {
            plain += static_cast<char>(std::stoi(text.substr(index + 1, 3), nullptr, 8));
            index += 3;
        } else {
            plain += text[index];
        }
    }
    return plain;
}

// proc(5): ID PARENT MAJOR:MINOR ROOT PATH OPTIONS [TAG...] - TYPE SOURCE SUPEROPTIONS
std::optional<Mount> parse_mountinfo(const std::string &line) {
    std::istringstream words(line);
    std::string skipped, path, type, source;
    for (int index = 0; index < 4; ++index) words >> skipped;
    words >> path >> skipped;
    for (std::string tag; words >> tag && tag != "-";) {}
    if (!(words >> type >> source)) return std::nullopt;
    return Mount{unescape(path), type, unescape(source)};
}

} // namespace

Result<std::vector<Mount>> list_mounts(const std::string &type) {
    std::ifstream file("/proc/self/mountinfo");
    if (!file) return Error{ENOENT, 0, "list mounts", "/proc/self/mountinfo: is /proc mounted?"};
    std::vector<Mount> mounts;
    for (std::string line; std::getline(file, line);) {
        std::optional<Mount> mount = parse_mountinfo(line);
        if (mount && (type.empty() || mount->type == type)) mounts.push_back(std::move(*mount));
    }
    return mounts;
}

Result<std::string> resolve_mount_point(const std::string &path) {
    namespace fs = std::filesystem;
    std::error_code error;
    fs::path whole = fs::absolute(path, error).lexically_normal();
    if (!whole.has_filename()) whole = whole.parent_path(); // a slash at the end
    if (!whole.has_relative_path()) return std::string("/");
    const fs::path folder = fs::canonical(whole.parent_path(), error);
    if (error) return Error{error.value(), 0, "find mount point", path};
    const fs::path joined = folder / whole.filename();
    // A symbolic link to a mount point is followed; the root of a dead mount can't be, and needn't be.
    const fs::path target = fs::canonical(joined, error);
    return error ? joined.string() : target.string();
}

Result<std::optional<Mount>> find_mount(const std::string &path) {
    std::optional<Mount> found;
    for (Mount &mount : TRY(list_mounts("")))
        if (mount.path == path) found = std::move(mount);
    return found;
}

bool lies_under(const std::string &path, const std::string &folder) {
    return folder == "/" || (path.starts_with(folder) && (path.size() == folder.size() || path[folder.size()] == '/'));
}

const char *advice_for(int code) { return code == ENOTCONN ? ": its server has died; `gmemfs umount` mends that" : ""; }

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
    nlohmann::json stats = nlohmann::json::parse(text, nullptr, false);
    if (!stats.is_object()) return Error{EPROTO, 0, "read counters", path + ": user.gmemfs.stats is no JSON object"};
    return stats;
}

} // namespace gmemfs
