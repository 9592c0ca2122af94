#include "tools/snapshot/index.hpp"

#include <sys/stat.h>

namespace gmemfs {
namespace {

Error bad(const char *what) { return Error{EBADMSG, 0, "read names", what}; }

} // namespace

std::string path_of(const std::vector<SnapshotEntry> &entries, std::size_t index) {
    if (index == 0) return entries[0].name.empty() ? "." : entries[0].name;
    std::string path = entries[index].name;
    for (std::uint32_t above = entries[index].parent; above != 0; above = entries[above].parent)
        path.insert(0, entries[above].name + "/");
    return path;
}

Result<void> SnapshotIndex::check(const SnapshotEntry &entry) const {
    const std::size_t index = entries_.size();
    if (index == 0) {
        if (entry.parent != 0 || entry.is_other_name() || entry.name.empty() != entry.is_folder())
            return bad("what was saved has no place");
        return {};
    }
    if (entry.name.empty() || entry.parent >= index || !entries_[entry.parent].is_folder())
        return bad("a name without a folder");
    if (!entry.is_other_name()) return {};
    if (entry.link_to >= index) return bad("a hard link to nothing");
    const SnapshotEntry &first = entries_[entry.link_to];
    if (first.is_other_name() || first.is_folder() || (first.mode & S_IFMT) != (entry.mode & S_IFMT))
        return bad("a hard link to nothing");
    return {};
}

Result<void> SnapshotIndex::add(SnapshotEntry entry) {
    TRY(check(entry));
    if (!names_.emplace(entry.parent, entry.name).second) return bad("a name twice in a folder");
    entries_.push_back(std::move(entry));
    return {};
}

} // namespace gmemfs
