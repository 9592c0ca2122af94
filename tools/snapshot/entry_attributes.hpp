// EntryAttributes: gives a file or folder owner, mode, times, ACLs and attributes of an entry.
#pragma once

#include "tools/snapshot/format.hpp"

#include <cstddef>
#include <string>

namespace gmemfs {

/// Of `name` in the open folder, "." for itself; a symbolic link isn't followed. A user that may not give a file away
/// keeps it, and then the file is no program that runs as somebody else. How many attributes were left out, because
/// root alone sets them, or this filesystem doesn't keep them. Errors are about the entry's name.
Result<std::size_t> set_attributes(int folder, const std::string &name, const SnapshotEntry &entry);
/// Of an open file or folder.
Result<std::size_t> set_attributes(int file, const SnapshotEntry &entry);

} // namespace gmemfs
