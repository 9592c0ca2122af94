// TreeWatch: waits until a tree at the source isn't as it was listed any more.
//
// The kernel tells of what is done by system calls below the tree's folders (inotify(7)), through whatever mount
// namespace. What it doesn't tell (a network filesystem's other hosts) is looked for every half minute.
#pragma once

#include "tools/snapshot/tree.hpp"

namespace gmemfs {

/// Whether two lists say the same: names, kinds, sizes, modes, times and links. Not times of access.
bool is_same_state(const std::vector<SnapshotEntry> &before, const std::vector<SnapshotEntry> &now);

/// Waits until the tree at `path` isn't as `tree` has it, or `other_fd` can be read or has hung up. Whether the tree
/// has changed. ENOENT and others: it can't be listed any more. EINTR.
Result<bool> wait_for_change(const SnapshotTree &tree, const std::string &path, int other_fd);

} // namespace gmemfs
