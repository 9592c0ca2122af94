// NamePlace: the directory and the name that a path ends at, whether or not there is a file.
#pragma once

#include "vmm/base/fd.hpp"

#include <string>

namespace gmemfs::client {

struct NamePlace {
    Fd folder; ///< opened with O_PATH
    std::string name;
};

/// Where open(2) would find the file, or make it. `follow`: a symbolic link at the end is followed, also one to
/// nothing. EISDIR: the path ends in a slash. ELOOP: it is a link of a link of ... ENOENT, EACCES: the directory can't
/// be reached.
enum class LastLink { follow, keep };
Result<NamePlace> find_name(const std::string &path, LastLink last);

} // namespace gmemfs::client
