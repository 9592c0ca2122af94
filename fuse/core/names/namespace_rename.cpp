// Namespace, renaming: a name moves, replaces another, or changes places with it, at once.
#include "fuse/core/journal/journal.hpp"
#include "fuse/core/names/inode_record.hpp"
#include "fuse/core/names/namespace.hpp"

namespace gmemfs {

Result<void> Namespace::rename(
    InodeId from, std::string_view name, InodeId to, std::string_view new_name, RenameMode mode, const Occasion &at) {
    TRY(check_name(new_name));
    InodeRef last;
    const HoldExclusive hold(tree_);
    return move_name(from, name, to, new_name, mode, at, last, nullptr);
}

Result<void> Namespace::rename_with_whiteout(InodeId from, std::string_view name, InodeId to, std::string_view new_name,
    RenameMode mode, const Credentials &owner, const Occasion &at) {
    TRY(check_name(new_name));
    InodeRef last;
    const HoldExclusive hold(tree_);
    TRY(directory(from));
    Node &whiteout =
        *TRY(make_inode(from, S_IFCHR, owner, at.now, [](Inode &made, const Inode &) { made.hold_device_number(0); }));
    whiteout.lookups = 0; // nobody has asked for it
    const InodeRef inode = whiteout.inode;
    Result<void> moved = move_name(from, name, to, new_name, mode, at, last, inode);
    if (inode->links() == 0) nodes_.erase(inode->id()); // the rename failed, or the two are names of one inode
    return moved;
}

// What rename() does; `last` outlives the lock, for the memory of what was replaced.
Result<void> Namespace::move_name(InodeId from, std::string_view name, InodeId to, std::string_view new_name,
    RenameMode mode, const Occasion &at, InodeRef &last, const InodeRef &whiteout) {
    Directory &source_names = *TRY(directory(from));
    Directory &target_names = *TRY(directory(to));
    Named *const named = child(source_names, name);
    if (named == nullptr) return Error{ENOENT, 0, "rename"};
    const InodeRef source = named->inode;
    if (node_of(to).inode->links() == 0) return Error{ENOENT, 0, "rename", "the directory was removed"};
    Named *const replaced = child(target_names, new_name);
    const InodeRef target = replaced == nullptr ? nullptr : replaced->inode;
    if (mode == RenameMode::no_replace && target) return Error{EEXIST, 0, "rename"};
    if (mode == RenameMode::exchange && !target) return Error{ENOENT, 0, "rename"};
    if (source == target) return {}; // two names of one inode, for which POSIX has nothing happen
    Inode &above_source = *node_of(from).inode;
    Inode &above_target = *node_of(to).inode;
    TRY(check_may_lose(above_source, *source));
    TRY(target ? check_may_lose(above_target, *target) : above_target.check_flags(kImmutable));
    if (source->is_directory() && is_within(to, source->id())) return Error{EINVAL, 0, "rename"};
    if (mode == RenameMode::exchange) {
        if (target->is_directory() && is_within(from, target->id())) return Error{EINVAL, 0, "rename"};
        named->inode = target;
        replaced->inode = source;
        move_parent(*target, to, from, at.now);
    } else {
        if (target) {
            TRY(check_replace(*source, *target));
            TRY(target->check_name_unused());
            replaced->inode = source; // with the old name's cookie, so that a reader of the directory misses no name
            if (target->is_directory()) above_target.add_links(-1, at.now);
            last = lose_link(target, at.now);
        }
        erase(source_names, name);
        if (!target) insert(target_names, new_name, source);
        if (whiteout) {
            insert(source_names, name, whiteout);
            whiteout->add_links(1, at.now);
        }
    }
    move_parent(*source, from, to, at.now);
    source->changed(at.now);
    above_source.modified(at.now);
    above_target.modified(at.now);
    return record(at, [&](RecordWriter &items) {
        if (mode == RenameMode::exchange) {
            items.entry(from, name, target->id(), source_names.cookies.find(name)->second);
        } else if (whiteout) {
            record_new_inode(items, *whiteout);
            items.entry(from, name, whiteout->id(), source_names.cookies.find(name)->second);
        } else
            items.no_entry(from, name);
        items.entry(to, new_name, source->id(), target_names.cookies.find(new_name)->second);
        record_inode(items, *source);
        if (target) record_lost_link(items, *target, last);
        record_inode(items, above_source);
        record_inode(items, above_target);
    });
}

Result<void> Namespace::check_replace(const Inode &source, const Inode &target) const {
    if (!target.is_directory()) {
        if (source.is_directory()) return Error{ENOTDIR, 0, "rename"};
        return {};
    }
    if (!source.is_directory()) return Error{EISDIR, 0, "rename"};
    if (!node_of(target.id()).directory->by_cookie.empty()) return Error{ENOTEMPTY, 0, "rename"};
    return {};
}

bool Namespace::is_within(InodeId directory, InodeId ancestor) const {
    for (InodeId id = directory; id != ancestor;) {
        const auto found = nodes_.find(id);
        if (found == nodes_.end() || id == kRootInode) return false;
        id = found->second.directory->parent;
    }
    return true;
}

// A directory's ".." is a link of the directory above.
void Namespace::move_parent(const Inode &moved, InodeId from, InodeId to, timespec now) {
    if (!moved.is_directory() || from == to) return;
    node_of(moved.id()).directory->parent = to;
    node_of(from).inode->add_links(-1, now);
    node_of(to).inode->add_links(1, now);
}

} // namespace gmemfs
