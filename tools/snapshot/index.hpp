// SnapshotIndex: a tree of names that came from outside, each checked against those before it.
#pragma once

#include "tools/snapshot/format.hpp"

#include <set>
#include <string>
#include <utility>
#include <vector>

namespace gmemfs {

/// The entry's path below what was saved, "folder/name"; "." for what was saved itself.
std::string path_of(const std::vector<SnapshotEntry> &entries, std::size_t index);

/// Not thread-safe while it is filled.
class SnapshotIndex {
public:
    /// EBADMSG: its parent is no earlier folder, its name is there already, or it is a hard link to nothing.
    Result<void> add(SnapshotEntry entry);
    /// Entry 0 is what was saved. A parent is an earlier folder; names differ in a folder; links are to earlier
    /// entries.
    const std::vector<SnapshotEntry> &entries() const { return entries_; }

private:
    Result<void> check(const SnapshotEntry &entry) const;

    std::vector<SnapshotEntry> entries_;
    std::set<std::pair<std::uint32_t, std::string>> names_;
};

} // namespace gmemfs
