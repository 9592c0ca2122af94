// Namespace, restored: a namespace from what a journal came to; and what it tells the journal.
#include "fuse/core/journal/journal.hpp"
#include "fuse/core/names/inode_record.hpp"
#include "fuse/core/names/namespace.hpp"

#include <algorithm>

namespace gmemfs {
namespace {

Error impossible(const std::string &what) { return Error{EBADMSG, 0, "restore names from the journal", what}; }

bool is_type(mode_t type) {
    constexpr mode_t kTypes[] = {S_IFREG, S_IFDIR, S_IFLNK, S_IFIFO, S_IFSOCK, S_IFCHR, S_IFBLK};
    return std::find(std::begin(kTypes), std::end(kTypes), type) != std::end(kTypes);
}

bool is_name(const std::string &name) {
    return !name.empty() && name.size() <= kNameMax && name != "." && name != ".." &&
           name.find('/') == std::string::npos && name.find('\0') == std::string::npos;
}

bool is_directory(const VolumeState &state, InodeId id) {
    const auto found = state.nodes.find(id);
    return found != state.nodes.end() && S_ISDIR(found->second.mode);
}

} // namespace

Result<void> Namespace::record(const Occasion &at, FunctionView<void(RecordWriter &)> fill) {
    return journal_ == nullptr ? Result<void>() : journal_->append(at.request, fill);
}

void Namespace::record_lost_link(RecordWriter &record, const Inode &inode, const InodeRef &last) {
    if (last)
        record.gone(inode.id());
    else
        record_inode(record, inode);
}

// Every name stands for an inode, every directory has one name, and all names are reached from the root.
Result<void> Namespace::check_restored(const VolumeState &state) {
    if (!is_directory(state, kRootInode)) return impossible("it has no root");
    for (const auto &[id, node] : state.nodes) {
        if (id == 0 || !is_type(node.mode & S_IFMT)) return impossible("inode " + std::to_string(id) + " is nothing");
        if ((node.flags & ~kAllFlags) != 0) return impossible("inode flags that there aren't");
        for (const auto &[name, value] : node.xattrs)
            if (is_acl(name) && !Acl::parse(value)) return impossible("an access control list that is none");
    }
    std::map<InodeId, InodeId> parents; // of directories
    for (const auto &[id, names] : state.directories) {
        if (!is_directory(state, id) && !names.empty()) return impossible("names without a directory");
        for (const auto &[name, entry] : names) {
            if (!is_name(name) || state.nodes.count(entry.inode) == 0) return impossible("a name of no inode");
            if (!is_directory(state, entry.inode)) continue;
            if (entry.inode == kRootInode || !parents.emplace(entry.inode, id).second)
                return impossible("a directory with two names");
        }
    }
    // A walk upwards that is longer than there are directories goes round in a circle.
    for (const auto &[id, parent] : parents) {
        std::size_t steps = 0;
        for (InodeId above = parent; above != kRootInode; ++steps) {
            const auto next = parents.find(above);
            if (next == parents.end() || steps > parents.size()) return impossible("a directory out of reach");
            above = next->second;
        }
    }
    return {};
}

Result<void> Namespace::restore(const VolumeState &state, KernelMemory memory, Restore prepare) {
    TRY(check_restored(state));
    std::map<InodeId, std::uint32_t> links; // counted anew, because they must fit the names
    for (const auto &[id, names] : state.directories)
        for (const auto &[name, entry] : names) {
            const bool is_subdirectory = is_directory(state, entry.inode);
            links[entry.inode] += is_subdirectory ? 2 : 1;
            if (is_subdirectory) ++links[id];
        }
    links[kRootInode] += 2;
    const HoldExclusive hold(tree_);
    next_id_ = std::max(next_id_, state.next_inode);
    for (const auto &[id, node] : state.nodes) {
        const bool is_orphan = links.count(id) == 0 || links[id] == 0;
        if (is_orphan && memory == KernelMemory::none) continue;
        const InodeRef inode =
            id == kRootInode ? root_
                             : std::make_shared<Inode>(id, node.mode, Credentials{node.uid, node.gid, {}}, timespec{});
        VolumeState::Node counted = node;
        counted.links = is_orphan ? 0 : links[id];
        TRY(prepare(*inode, counted));
        if (id == kRootInode) continue;
        Node &added = add_node(inode);
        added.is_inherited = memory == KernelMemory::kept;
        if (S_ISDIR(node.mode)) added.directory = std::make_unique<Directory>(Directory{id, *inode, {}, {}});
        if (is_orphan) {
            inode->is_linkable = node.is_linkable;
            orphans_.insert(id);
        }
        next_id_ = std::max(next_id_, id + 1);
    }
    restore_names(state);
    return {};
}

void Namespace::restore_names(const VolumeState &state) {
    for (const auto &[id, names] : state.directories) {
        const auto above = nodes_.find(id);
        if (above == nodes_.end() || names.empty()) continue;
        Directory &directory = *above->second.directory;
        for (const auto &[name, entry] : names) {
            const InodeRef &inode = node_of(entry.inode).inode;
            // Two names of one cookie can't be; but a journal that says so is no reason to lose one of them.
            std::uint64_t cookie = entry.cookie;
            while (cookie <= 2 || directory.by_cookie.count(cookie) != 0) cookie = std::max(cookie, next_cookie_++) + 1;
            const auto at = directory.by_cookie.emplace(cookie, Named{name, inode}).first;
            directory.cookies.emplace(at->second.name, cookie);
            next_cookie_ = std::max(next_cookie_, cookie + 1);
            if (inode->is_directory()) node_of(entry.inode).directory->parent = id;
        }
        directory.inode.hold_entries(directory.by_cookie.size());
    }
}

} // namespace gmemfs
