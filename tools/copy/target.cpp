#include "tools/copy/target.hpp"

#include "tools/copy/attributes.hpp"

#include <climits>
#include <cstdlib>
#include <fcntl.h>
#include <unistd.h>

namespace gmemfs {
namespace {

// Reading it as well lets it be mapped; a file that may only be written to is written to.
Fd open_regular(const std::string &path) {
    Fd fd(::open(path.c_str(), O_RDWR | O_CLOEXEC | O_NOCTTY));
    if (!fd && errno == EACCES) fd = Fd(::open(path.c_str(), O_WRONLY | O_CLOEXEC | O_NOCTTY));
    return fd;
}

} // namespace

Result<void> CopyTarget::open_existing(mode_t mode, Existing existing) {
    if (existing == Existing::replace && is_regular_) {
        char real[PATH_MAX]; // not the link that points to it
        if (::realpath(path_.c_str(), real) == nullptr) return Error{errno, 0, "find", path_};
        path_ = real;
        old_ = Fd(::open(real, O_RDONLY | O_CLOEXEC));
        if (!old_) return Error{errno, 0, "open file", path_};
        if (::access(real, W_OK) != 0) return Error{errno, 0, "replace", path_};
        new_file_ = TRY(NewFile::create(path_, mode));
        return {};
    }
    fd_ = is_regular_ ? open_regular(path_) : Fd(::open(path_.c_str(), O_WRONLY | O_CLOEXEC | O_NOCTTY));
    if (fd_) return {};
    const int code = errno;
    // A device, a fifo or a socket stays what it is; so does /dev/stdout that leads to one.
    if (existing != Existing::force || !is_regular_ || code == EINTR || ::unlink(path_.c_str()) != 0)
        return Error{code, 0, "open file", path_};
    new_file_ = TRY(NewFile::create(path_, mode));
    return {};
}

Result<CopyTarget> CopyTarget::open(const std::string &path, mode_t mode, Existing existing) {
    CopyTarget target(path);
    struct stat status = {};
    if (::stat(path.c_str(), &status) != 0) {
        const int code = errno;
        if (code == ENOENT && ::lstat(path.c_str(), &status) == 0)
            return Error{code, 0, "create file", path + ": it is a symbolic link to nothing; remove it first"};
        if (code != ENOENT) return Error{code, 0, "create file", path};
        target.new_file_ = TRY(NewFile::create(path, mode));
        return target;
    }
    if (S_ISDIR(status.st_mode)) return Error{EISDIR, 0, "overwrite", path + ": a folder is there"};
    target.is_regular_ = S_ISREG(status.st_mode);
    const Result<void> opened = target.open_existing(mode, existing);
    if (!opened) return Error(opened.error());
    return target;
}

Result<CopyTarget> CopyTarget::standard_output() {
    CopyTarget target("standard output");
    target.is_regular_ = false; // it goes on where it stands
    target.fd_ = Fd(::fcntl(STDOUT_FILENO, F_DUPFD_CLOEXEC, 0));
    if (!target.fd_) return Error{errno, 0, "write", target.path_};
    return target;
}

Result<void> CopyTarget::set_mode() const {
    if (old_) return take_identity(old_.get(), new_file_->fd());
    return new_file_ ? new_file_->set_mode() : Result<void>();
}

Result<void> CopyTarget::publish() { return new_file_ ? new_file_->publish(path_) : Result<void>(); }

} // namespace gmemfs
