// Namespace, what no directory lists: the broker's socket, and inodes without a name.
#include "fuse/core/namespace.hpp"

namespace gmemfs {

Result<InodeRef> Namespace::create_hidden(mode_t mode, const Credentials &owner, timespec now) {
    const HoldExclusive hold(tree_);
    if (hidden_) return Error{EEXIST, 0, "make name"};
    hidden_ = std::make_shared<Inode>(kHiddenInode, mode, owner, now);
    hidden_->add_links(1, now);
    add_node(hidden_).lookups = 1;
    return InodeRef(hidden_);
}

std::uint64_t Namespace::count() const {
    const HoldShared hold(tree_);
    return nodes_.size() - orphans_.size() - (hidden_ ? 1 : 0);
}

std::uint64_t Namespace::orphan_count() const {
    const HoldShared hold(tree_);
    return orphans_.size();
}

} // namespace gmemfs
