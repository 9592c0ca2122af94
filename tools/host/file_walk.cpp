#include "tools/host/file_walk.hpp"

#include "tools/host/interruption.hpp"
#include "tools/host/mounts.hpp"

#include <algorithm>
#include <filesystem>
#include <sys/stat.h>

namespace gmemfs {
namespace {

Error interrupted(const std::string &path) { return Error{EINTR, 0, "look for files", path + ": interrupted"}; }

Result<void> search(const std::string &folder, dev_t device, std::vector<FoundFile> &found) {
    namespace fs = std::filesystem;
    std::error_code error;
    std::vector<std::string> names;
    fs::directory_iterator next(folder, error);
    for (const fs::directory_iterator end; !error && next != end; next.increment(error)) {
        if (is_interrupted()) return interrupted(folder);
        names.push_back(next->path().string());
    }
    if (error) found.push_back({.path = folder, .by = FoundFile::By::folder, .error = error.value()});
    std::sort(names.begin(), names.end());
    for (const std::string &name : names) {
        struct stat status = {};
        if (is_interrupted()) return interrupted(name);
        if (::lstat(name.c_str(), &status) != 0 || status.st_dev != device) continue;
        if (S_ISREG(status.st_mode))
            found.push_back({name, static_cast<std::uint64_t>(status.st_size), FoundFile::By::folder});
        if (S_ISDIR(status.st_mode)) TRY(search(name, device, found));
    }
    return {};
}

} // namespace

Result<std::vector<FoundFile>> find_files(const std::string &path, Folders folders) {
    struct stat status = {};
    if (::stat(path.c_str(), &status) != 0) return Error{errno, 0, "look at file", path + advice_for(errno)};
    TRY(find_mount_of(path)); // once, and not for each of what may be many
    std::vector<FoundFile> found;
    if (S_ISREG(status.st_mode)) {
        found.push_back({.path = path, .size = static_cast<std::uint64_t>(status.st_size)});
    } else if (S_ISDIR(status.st_mode)) {
        if (folders == Folders::refused)
            return Error{EISDIR, 0, "look at file", path + ": -r takes all files below it"};
        TRY(search(path, status.st_dev, found));
    } else {
        return Error{EINVAL, 0, "look at file", path + ": it is neither a file nor a directory"};
    }
    return found;
}

} // namespace gmemfs
