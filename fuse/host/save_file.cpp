#include "fuse/host/save_file.hpp"

#include "fuse/host/mount_point.hpp"

#include <filesystem>
#include <sys/stat.h>
#include <sys/statvfs.h>
#include <unistd.h>

namespace gmemfs {
namespace {

Error cannot_save(int code, const std::string &path, const std::string &what_to_do) {
    return Error{code, 0, "mount with --on-shutdown", path + ": " + what_to_do};
}

} // namespace

Result<void> check_save_file(const Options &options) {
    namespace fs = std::filesystem;
    const std::string &file = options.save_file;
    if (file.empty()) return {};
    const std::string folder = fs::path(file).parent_path();
    struct stat status = {};
    if (::stat(folder.c_str(), &status) != 0)
        return cannot_save(errno, folder, "make the folder of the snapshot first: mkdir -p " + folder);
    if (!S_ISDIR(status.st_mode)) return cannot_save(ENOTDIR, folder, "the snapshot lies in a folder");
    if (would_lie_in(folder, options.mount_point))
        return cannot_save(EINVAL, file, "it would lie in the mount that it is to outlive");
    // Beside it the new snapshot is written.
    if (::access(folder.c_str(), W_OK | X_OK) != 0)
        return cannot_save(errno, folder, "the user who mounts must be able to write");
    if (::stat(file.c_str(), &status) != 0) return {};
    if (S_ISDIR(status.st_mode)) return cannot_save(EISDIR, file, "name a file in it");
    // The file's writer decides what the mount will hold, set-user-ID programs included.
    if ((status.st_uid != ::geteuid() && status.st_uid != 0) || (status.st_mode & 022) != 0)
        return cannot_save(
            EPERM, file, "it must belong to the user who mounts, or to root, and be writable by nobody else");
    if (::access(file.c_str(), R_OK) != 0)
        return cannot_save(errno, file, "the user who mounts must be able to read it");
    return {};
}

std::string describe_lack_of_room(const std::string &save_file, std::uint64_t capacity) {
    struct statvfs room = {};
    const std::string folder = std::filesystem::path(save_file).parent_path();
    if (save_file.empty() || ::statvfs(folder.c_str(), &room) != 0) return {};
    const std::uint64_t bytes = std::uint64_t(room.f_bavail) * room.f_frsize;
    if (bytes >= capacity) return {};
    return folder + " has " + std::to_string(bytes / MiB) +
           " MiB for the snapshot that --on-shutdown saves, and the mount " + std::to_string(capacity / MiB) +
           " MiB: when it is full it can't be saved";
}

} // namespace gmemfs
