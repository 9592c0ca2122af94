// CopyTarget: what a copy goes to, and what is there already decides how.
//
//     nothing                          a new file, whole under its name or not there at all
//     a regular file                   is written into, as by cp: it keeps owner, mode, links and attributes, and who
//     has
//                                      it mapped sees the new bytes come; or, where Existing says so, it is replaced at
//                                      once
//     a device, a fifo, a terminal     is written into
//     a symbolic link                  what it points to
#pragma once

#include "tools/host/new_file.hpp"

#include <optional>
#include <sys/stat.h>

namespace gmemfs {

/// What becomes of a file that is there: it is written into; that, or where it can't be opened it is removed (-f);
/// replaced at once by another one with its owner, mode and attributes (--atomic).
enum class Existing { write, force, replace };

/// Owner. Not thread-safe.
class CopyTarget {
public:
    /// `mode` is that of a new file, before the umask. EISDIR: `path` is a folder. ENOENT: a symbolic link to nothing,
    /// or the folder is missing. Else open(2)'s.
    static Result<CopyTarget> open(const std::string &path, mode_t mode, Existing existing);
    static Result<CopyTarget> standard_output();

    int fd() const { return new_file_ ? new_file_->fd() : fd_.get(); }
    /// A way to open it again.
    const std::string &way() const { return new_file_ ? new_file_->path() : path_; }
    /// What lies on the same filesystem, and has a name.
    const std::string &place() const { return new_file_ ? new_file_->folder() : path_; }
    bool is_regular() const { return is_regular_; } ///< it has a size, and any byte of it can be written
    bool is_new() const { return new_file_ != nullptr && !old_; }
    /// Where it is new: gives it its name; it had got its mode or other attributes before.
    Result<void> publish();
    Result<void> set_mode() const; ///< of a new one, as open(2) makes it; one that is there keeps its own

private:
    explicit CopyTarget(std::string path) : path_(std::move(path)) {}
    Result<void> open_existing(mode_t mode, Existing existing);

    std::string path_;
    Fd fd_, old_; // old_: what new_file_ is to replace
    std::unique_ptr<NewFile> new_file_;
    bool is_regular_ = true;
};

} // namespace gmemfs
