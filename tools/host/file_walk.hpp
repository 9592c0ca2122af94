// FileWalk: which files a PATH of a command line stands for: itself, or all that lie below it in the same mount.
#pragma once

#include "vmm/base/result.hpp"

#include <cstdint>
#include <string>
#include <vector>

namespace gmemfs {

/// A file of a mount; or a directory below `path` that can't be listed, with its error.
struct FoundFile {
    enum class By { name, folder };
    std::string path;
    std::uint64_t size = 0; ///< bytes
    By by = By::name;
    int error = 0; ///< errno; 0: it is a file
};

enum class Folders {
    searched, ///< a directory stands for all files below it
    refused,
};

/// The file `path`, or those below the directory `path`, in the order of their names: not through symbolic links below
/// it, nor into what is mounted there. EINVAL: `path` is neither, or lies in no gmemfs mount. EISDIR: it is a
/// directory, and they are refused. ENOENT and others: `path` can't be looked at. EINTR: the user has interrupted.
Result<std::vector<FoundFile>> find_files(const std::string &path, Folders folders);

} // namespace gmemfs
