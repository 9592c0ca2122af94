// Namespace, apart from directories: the broker's socket, inodes without a name, and all of them together.
#include "fuse/core/journal/journal.hpp"
#include "fuse/core/names/namespace.hpp"

#include <algorithm>

namespace gmemfs {

Result<InodeRef> Namespace::create_hidden(mode_t mode, const Credentials &owner, timespec now) {
    const HoldExclusive hold(tree_);
    if (hidden_) return Error{EEXIST, 0, "make name"};
    hidden_ = std::make_shared<Inode>(kHiddenInode, mode, owner, now);
    hidden_->add_links(1, now);
    add_node(hidden_).lookups = 1;
    return InodeRef(hidden_);
}

void Namespace::forget_all() {
    std::vector<InodeRef> last; // their memory goes after the lock
    const HoldExclusive hold(tree_);
    if (hidden_) nodes_.erase(hidden_->id());
    hidden_.reset();
    for (const InodeId id : orphans_) {
        last.push_back(node_of(id).inode);
        nodes_.erase(id);
        (void)record({}, [id](RecordWriter &items) { items.gone(id); }); // as where the kernel forgets
    }
    orphans_.clear();
    for (auto &[id, node] : nodes_) {
        node.lookups = 0;
        node.is_inherited = false;
    }
}

std::uint64_t Namespace::count() const {
    const HoldShared hold(tree_);
    return nodes_.size() - orphans_.size() - (hidden_ ? 1 : 0);
}

std::uint64_t Namespace::orphan_count() const {
    const HoldShared hold(tree_);
    return orphans_.size();
}

std::vector<InodeRef> Namespace::with_unrecorded_times() const {
    std::vector<InodeRef> inodes;
    const HoldShared hold(tree_);
    for (const auto &[id, node] : nodes_)
        if (id != kHiddenInode && (node.inode->has_unrecorded_times || node.inode->has_unrecorded_access))
            inodes.push_back(node.inode);
    return inodes;
}

std::vector<Namespace::Place> Namespace::names_of(InodeId id, InodeId likely) const {
    std::vector<Place> places;
    const HoldShared hold(tree_);
    const auto found = nodes_.find(id);
    if (found == nodes_.end()) return places;
    const std::uint32_t links = found->second.inode->links();
    const auto look_in = [&](InodeId parent, const Node &node) {
        if (node.directory == nullptr || places.size() >= links) return;
        for (const auto &[cookie, named] : node.directory->by_cookie)
            if (named.inode->id() == id) places.push_back({parent, named.name});
    };
    if (const auto first = nodes_.find(likely); first != nodes_.end()) look_in(likely, first->second);
    for (const auto &[parent, node] : nodes_)
        if (parent != likely) look_in(parent, node);
    return places;
}

std::vector<InodeId> Namespace::files_with_parity() const {
    std::vector<InodeId> files;
    {
        const HoldShared hold(tree_);
        for (const auto &[id, node] : nodes_)
            if (node.inode->is_file() && node.inode->protection() == Protection::parity) files.push_back(id);
    }
    std::sort(files.begin(), files.end());
    return files;
}

std::vector<InodeId> Namespace::files_where(FunctionView<bool(const Inode &)> is_wanted) const {
    std::vector<InodeId> files;
    const HoldShared hold(tree_);
    for (const auto &[id, node] : nodes_)
        if (node.inode->is_file() && is_wanted(*node.inode)) files.push_back(id);
    return files;
}

} // namespace gmemfs
