// NewFile: a file that nobody sees before it is whole, and that vanishes when its maker is killed.
//
// The file has no name until it is whole (O_TMPFILE, linkat). Where the filesystem can't do that (in a gmemfs mount:
// before Linux 6.1), the file is called .gmemfs-new. and 16 random digits, which no other process, container or thread
// uses. Only there a SIGKILL leaves the file behind.
#pragma once

#include "vmm/base/fd.hpp"

#include <memory>
#include <string>
#include <sys/types.h>

namespace gmemfs {

/// Owner. Not thread-safe.
class NewFile {
public:
    /// A file in the folder of `target`, of mode 0600 until publish(); by then its mode is `mode` as open(2) makes it
    /// there, by the umask or the folder's default ACL. ENOTDIR: `target` ends in a slash. Else open(2)'s.
    static Result<std::unique_ptr<NewFile>> create(const std::string &target, mode_t mode);
    NewFile(const NewFile &) = delete;
    NewFile &operator=(const NewFile &) = delete;
    ~NewFile(); ///< removes what wasn't published

    int fd() const { return fd_.get(); }
    const std::string &path() const { return path_; } ///< opens the file again
    const std::string &folder() const { return folder_; }
    Result<void> set_mode() const; ///< the mode that create() was told
    /// Gives the file its name; a file that has this name is replaced at once. link(2)'s and rename(2)'s errors.
    Result<void> publish(const std::string &target);

private:
    NewFile() = default;
    Result<void> create_named(const std::string &folder, mode_t mode);

    std::string folder_; // with its slash
    std::string path_, name_;
    Fd fd_;
    mode_t mode_ = 0;
};

/// What names begin with that a file or a folder has until it is whole.
inline constexpr const char *kNewFilePrefix = ".gmemfs-new.";
/// `prefix` and 16 random hexadecimal digits.
std::string random_name(const std::string &prefix);

} // namespace gmemfs
