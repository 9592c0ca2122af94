#include "tools/host/new_file.hpp"

#include <cstdio>
#include <fcntl.h>
#include <sys/random.h>
#include <sys/stat.h>
#include <unistd.h>

namespace gmemfs {
namespace {

std::string folder_of(const std::string &path) {
    const std::size_t slash = path.rfind('/');
    return slash == std::string::npos ? "./" : path.substr(0, slash + 1);
}

} // namespace

std::string random_name(const std::string &prefix) {
    unsigned long long number = 0;
    // It fails by EINTR alone, and not of so few bytes.
    GMEMFS_ASSERT(::getrandom(&number, sizeof number, 0) == sizeof number);
    char digits[17];
    std::snprintf(digits, sizeof digits, "%016llx", number);
    return prefix + digits;
}

Result<void> NewFile::create_named(const std::string &folder, mode_t mode) {
    name_ = folder + random_name(kNewFilePrefix);
    path_ = name_;
    fd_ = Fd(::open(name_.c_str(), O_RDWR | O_CREAT | O_EXCL | O_NOFOLLOW | O_CLOEXEC, mode));
    if (fd_) return {};
    const int code = errno;
    name_.clear();
    return Error{code, 0, "create file", {}};
}

Result<std::unique_ptr<NewFile>> NewFile::create(const std::string &target, mode_t mode) {
    std::unique_ptr<NewFile> file(new NewFile);
    const std::string folder = folder_of(target);
    if (target.ends_with('/')) return Error{ENOTDIR, 0, "create file", target};
    file->fd_ = Fd(::open(folder.c_str(), O_TMPFILE | O_RDWR | O_CLOEXEC, mode));
    if (!file->fd_ && errno != EOPNOTSUPP && errno != EISDIR && errno != EINVAL)
        return Error{errno, 0, "create file", target};
    if (file->fd_) file->path_ = "/proc/self/fd/" + std::to_string(file->fd());
    if (!file->fd_ || ::access(file->path_.c_str(), F_OK) != 0) { // without /proc it could get no name
        const Result<void> made = file->create_named(folder, mode);
        if (!made) return Error{made.error().code, 0, "create file", target};
    }
    file->folder_ = folder;
    struct stat made = {};
    if (::fstat(file->fd(), &made) != 0 || ::fchmod(file->fd(), 0600) != 0)
        return Error{errno, 0, "create file", target};
    file->mode_ = made.st_mode & 0777;
    return file;
}

NewFile::~NewFile() {
    if (!name_.empty()) ::unlink(name_.c_str());
}

Result<void> NewFile::set_mode() const {
    if (::fchmod(fd_.get(), mode_) != 0) return Error{errno, 0, "set mode", {}};
    return {};
}

Result<void> NewFile::publish(const std::string &target) {
    if (name_.empty()) {
        const auto link_to = [&](const std::string &name) {
            return ::linkat(AT_FDCWD, path_.c_str(), AT_FDCWD, name.c_str(), AT_SYMLINK_FOLLOW) == 0;
        };
        if (link_to(target)) return {};
        if (errno != EEXIST) return Error{errno, 0, "create file", target};
        // A name that is there is replaced by rename(2) alone.
        const std::string name = folder_ + random_name(kNewFilePrefix);
        if (!link_to(name)) return Error{errno, 0, "create file", target};
        name_ = name;
    }
    if (::rename(name_.c_str(), target.c_str()) != 0) return Error{errno, 0, "rename to", target};
    name_.clear();
    return {};
}

} // namespace gmemfs
