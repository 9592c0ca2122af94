// CopyTarget: opens what a copy goes to; what is there already decides how.
//
//     nothing                          a new file, whole under its name or not there at all
//     a regular file                   is written into, as by cp: it keeps owner, mode, links and attributes, and
//                                      processes that have it mapped see the new bytes; or, where Existing says so,
//                                      it is replaced at once
//     a device, a fifo, a terminal     is written into
//     a symbolic link                  what it points to
#pragma once

#include "tools/host/new_file.hpp"

#include <optional>
#include <sys/stat.h>

namespace gmemfs {

/// What becomes of a file that is there. write: it is written into. force (-f): the same, but a file that can't be
/// opened is removed first. replace (--atomic): a new file with its owner, mode and attributes takes its place at once.
enum class Existing { write, force, replace };

/// Owner. Not thread-safe.
class CopyTarget {
public:
    /// `mode` is that of a new file, before the umask. EISDIR: `path` is a folder. ENOENT: a symbolic link to nothing,
    /// or the folder is missing. Else open(2)'s.
    static Result<CopyTarget> open(const std::string &path, mode_t mode, Existing existing);
    static Result<CopyTarget> standard_output();

    int fd() const { return new_file_ ? new_file_->fd() : fd_.get(); }
    /// A path that opens the target again.
    const std::string &way() const { return new_file_ ? new_file_->path() : path_; }
    /// A path on the same filesystem.
    const std::string &place() const { return new_file_ ? new_file_->folder() : path_; }
    bool is_regular() const { return is_regular_; } ///< then it has a size, and any byte of it can be written
    bool is_new() const { return new_file_ != nullptr && !old_; }
    /// Gives a new target its name. Set its mode or other attributes before.
    Result<void> publish();
    Result<void> set_mode() const; ///< of a new target, as open(2) makes it; an old one keeps its mode

private:
    explicit CopyTarget(std::string path) : path_(std::move(path)) {}
    Result<void> open_existing(mode_t mode, Existing existing);

    std::string path_;
    Fd fd_, old_; // old_: what new_file_ is to replace
    std::unique_ptr<NewFile> new_file_;
    bool is_regular_ = true;
};

} // namespace gmemfs
