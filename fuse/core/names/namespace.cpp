#include "fuse/core/names/namespace.hpp"

#include "fuse/core/journal/journal.hpp"
#include "fuse/core/names/inode_record.hpp"

#include <algorithm>

namespace gmemfs {
namespace {

constexpr std::uint64_t kSelfCookie = 1;
constexpr std::uint64_t kParentCookie = 2;

bool holds_memory(const Inode &inode) { return inode.file() != nullptr && inode.file()->allocated() > 0; }

bool is_closed(const Inode &inode) {
    const int opens = inode.opens.load(std::memory_order_relaxed);
    return opens == 0 || (opens == 1 && inode.is_closing.load(std::memory_order_relaxed));
}

} // namespace

Result<void> Namespace::check_name(std::string_view name) {
    if (name.size() > kNameMax) return Error{ENAMETOOLONG, 0, "use name"};
    if (name.empty() || name == "." || name == ".." || name.find('/') != std::string_view::npos)
        return Error{EINVAL, 0, "use name"};
    if (name == kHiddenName) return Error{EPERM, 0, "use name", "it is the broker's"};
    return {};
}

Result<void> Namespace::check_may_lose(const Inode &directory, const Inode &inode) {
    TRY(directory.check_flags(kFixed));
    return inode.check_flags(kFixed);
}

Namespace::Namespace(const Credentials &owner, mode_t root_mode, std::uint64_t inodes_max, timespec now)
    : root_(std::make_shared<Inode>(kRootInode, S_IFDIR | (root_mode & 07777), owner, now)), inodes_max_(inodes_max) {
    const HoldExclusive hold(tree_); // no other thread has the namespace yet; this satisfies the thread-safety analysis
    root_->add_links(2, now);
    add_node(root_).directory = std::make_unique<Directory>(Directory{kRootInode, *root_, {}, {}});
}

const Namespace::Node &Namespace::node_of(InodeId id) const {
    const auto found = nodes_.find(id);
    GMEMFS_ASSERT(found != nodes_.end());
    return found->second;
}

Namespace::Node &Namespace::node_of(InodeId id) {
    const auto found = nodes_.find(id);
    GMEMFS_ASSERT(found != nodes_.end());
    return found->second;
}

Result<InodeRef> Namespace::find(InodeId id) const {
    if (id == kRootInode) return root_;
    const HoldShared hold(tree_);
    const auto found = nodes_.find(id);
    if (found == nodes_.end()) return Error{ESTALE, 0, "find inode"};
    return InodeRef(found->second.inode);
}

Result<InodeRef> Namespace::lookup(InodeId parent, std::string_view name) {
    if (name.size() > kNameMax) return Error{ENAMETOOLONG, 0, "look up name"};
    const HoldShared hold(tree_);
    if (name == "." || name == "..") {
        Node &node = node_of(TRY(find_dots(parent, name)));
        node.lookups.fetch_add(1, std::memory_order_relaxed);
        return InodeRef(node.inode);
    }
    Directory &names = *TRY(directory(parent));
    if (name == kHiddenName && hidden_) {
        node_of(hidden_->id()).lookups.fetch_add(1, std::memory_order_relaxed);
        return InodeRef(hidden_);
    }
    const Named *const named = child(names, name);
    if (named == nullptr) return Error{ENOENT, 0, "look up name"};
    node_of(named->inode->id()).lookups.fetch_add(1, std::memory_order_relaxed);
    return InodeRef(named->inode);
}

// An inode that is there.
Result<InodeId> Namespace::find_dots(InodeId id, std::string_view name) const {
    const InodeId found = name == "." ? id : TRY(directory(id))
    ->parent;
    if (nodes_.count(found) == 0) return Error{ESTALE, 0, "find inode"};
    return found;
}

void Namespace::forget(InodeId id, std::uint64_t lookups) {
    InodeRef last;
    {
        const HoldExclusive hold(tree_);
        const auto found = nodes_.find(id);
        if (found == nodes_.end() || id == kRootInode) return;
        Node &node = found->second;
        // A kernel that forgets more than it was told is wrong, but no reason to die.
        node.lookups -= std::min<std::uint64_t>(lookups, node.lookups);
        if (node.lookups == 0) node.is_inherited = false; // the kernel forgets all lookups of an inode at once
        if (node.lookups != 0 || node.inode->links() != 0) return;
        last = std::move(node.inode);
        nodes_.erase(found);
        orphans_.erase(id);
        watch(*last);
        dying_.fetch_add(1);
        (void)record({}, [id](RecordWriter &items) { items.gone(id); }); // nobody waits for an answer
    }
    last.reset(); // the inode's memory goes after the lock, because that takes up to 43 ms for 64 GiB (H200)
    dying_.fetch_sub(1);
}

// A new inode, one lookup and no name yet.
Result<Namespace::Node *> Namespace::make_inode(
    InodeId parent, mode_t mode, const Credentials &owner, timespec now, Prepare prepare) {
    const Inode &above = *node_of(parent).inode;
    if (above.links() == 0) return Error{ENOENT, 0, "make name", "the directory was removed"};
    TRY(above.check_flags(kImmutable));
    if (inodes_max_ != 0 && nodes_.size() - (hidden_ ? 1 : 0) >= inodes_max_)
        return Error{ENOSPC, 0, "make name", std::to_string(inodes_max_) + " files are the limit: --max-files"};
    const Attributes inherited = above.attributes();
    Credentials actual = {owner.uid, owner.gid, {}};
    if ((inherited.mode & S_ISGID) != 0) {
        actual.gid = inherited.gid;
        if (S_ISDIR(mode)) mode |= S_ISGID;
    }
    const auto inode = std::make_shared<Inode>(next_id_++, mode, actual, now);
    inode->inherit(above, owner.umask);
    prepare(*inode, above);
    Node &node = add_node(inode);
    node.lookups = 1;
    return &node;
}

Result<InodeRef> Namespace::create(
    InodeId parent, std::string_view name, mode_t mode, const Credentials &owner, const Occasion &at, Prepare prepare) {
    TRY(check_name(name));
    const HoldExclusive hold(tree_);
    Directory &names = *TRY(directory(parent));
    if (child(names, name) != nullptr) return Error{EEXIST, 0, "make name"};
    Node &node = *TRY(make_inode(parent, mode, owner, at.now, prepare));
    Inode &above = *node_of(parent).inode;
    const bool is_directory = S_ISDIR(mode);
    if (is_directory) {
        node.directory = std::make_unique<Directory>(Directory{parent, *node.inode, {}, {}});
        above.add_links(1, at.now);
    }
    const InodeRef inode = node.inode;
    inode->add_links(is_directory ? 2 : 1, at.now);
    const std::uint64_t cookie = insert(names, name, inode);
    above.modified(at.now);
    TRY(record(at, [&](RecordWriter &items) {
        record_new_inode(items, *inode);
        record_inode(items, above);
        items.entry(parent, name, inode->id(), cookie);
    }));
    return InodeRef(inode);
}

Result<InodeRef> Namespace::create_unnamed(
    InodeId parent, mode_t mode, const Credentials &owner, const Occasion &at, Prepare prepare) {
    const HoldExclusive hold(tree_);
    TRY(directory(parent));
    Node &node = *TRY(make_inode(parent, mode, owner, at.now, prepare));
    const InodeRef inode = node.inode;
    inode->is_linkable = true;
    orphans_.insert(inode->id());
    TRY(record(at, [&](RecordWriter &items) {
        record_new_inode(items, *inode);
        items.linkable(inode->id());
    }));
    return InodeRef(inode);
}

Result<InodeRef> Namespace::link(InodeId id, InodeId parent, std::string_view name, const Occasion &at) {
    TRY(check_name(name));
    const HoldExclusive hold(tree_);
    const auto found = nodes_.find(id);
    if (found == nodes_.end()) return Error{ESTALE, 0, "link"};
    const InodeRef inode = found->second.inode;
    Directory &names = *TRY(directory(parent));
    Inode &above = *node_of(parent).inode;
    if (inode->is_directory()) return Error{EPERM, 0, "link", "a directory has one name"};
    if (inode == hidden_) return Error{EPERM, 0, "link", "it is the broker's"};
    const bool is_removed = inode->links() == 0 && !inode->is_linkable;
    if (is_removed || above.links() == 0) return Error{ENOENT, 0, "link", "it was removed"};
    if (inode->links() >= kLinksMax) return Error{EMLINK, 0, "link"};
    if (child(names, name) != nullptr) return Error{EEXIST, 0, "link"};
    TRY(above.check_flags(kImmutable));
    TRY(inode->check_flags(kFixed));
    const std::uint64_t cookie = insert(names, name, inode);
    inode->add_links(1, at.now);
    inode->is_linkable = false; // from now on its last name is its end
    orphans_.erase(id);
    above.modified(at.now);
    TRY(record(at, [&](RecordWriter &items) {
        record_inode(items, *inode);
        record_inode(items, above);
        items.entry(parent, name, id, cookie);
    }));
    found->second.lookups.fetch_add(1, std::memory_order_relaxed);
    return InodeRef(inode);
}

Result<void> Namespace::unlink(InodeId parent, std::string_view name, const Occasion &at) {
    InodeRef last;
    const HoldExclusive hold(tree_);
    Directory &names = *TRY(directory(parent));
    Named *const named = child(names, name);
    if (named == nullptr) return Error{ENOENT, 0, "unlink"};
    const InodeRef inode = named->inode;
    if (inode->is_directory()) return Error{EISDIR, 0, "unlink"};
    Inode &above = *node_of(parent).inode;
    TRY(check_may_lose(above, *inode));
    TRY(inode->check_name_unused());
    return lose_name(parent, name, inode, at, last);
}

Result<void> Namespace::rmdir(InodeId parent, std::string_view name, const Occasion &at) {
    InodeRef last;
    const HoldExclusive hold(tree_);
    Directory &names = *TRY(directory(parent));
    Named *const named = child(names, name);
    if (named == nullptr) return Error{ENOENT, 0, "rmdir"};
    const InodeRef inode = named->inode;
    if (!inode->is_directory()) return Error{ENOTDIR, 0, "rmdir"};
    Inode &above = *node_of(parent).inode;
    TRY(check_may_lose(above, *inode));
    if (!node_of(inode->id()).directory->by_cookie.empty()) return Error{ENOTEMPTY, 0, "rmdir"};
    return lose_name(parent, name, inode, at, last);
}

// `last` outlives the lock, for the inode's memory.
Result<void> Namespace::lose_name(
    InodeId parent, std::string_view name, const InodeRef &inode, const Occasion &at, InodeRef &last) {
    Node &above = node_of(parent);
    erase(*above.directory, name);
    if (inode->is_directory()) above.inode->add_links(-1, at.now);
    above.inode->modified(at.now);
    last = lose_link(inode, at.now);
    return record(at, [&](RecordWriter &items) {
        items.no_entry(parent, name);
        record_inode(items, *above.inode);
        record_lost_link(items, *inode, last);
    });
}

std::uint64_t Namespace::last_cookie() const {
    const HoldShared hold(tree_);
    return next_cookie_ - 1;
}

Result<void> Namespace::list(
    InodeId id, std::uint64_t after, std::uint64_t last, FunctionView<Visit(const Entry &)> visit) {
    const HoldShared hold(tree_);
    const Directory &names = *TRY(directory(id));
    const Inode &self = *node_of(id).inode;
    // "." and ".." are never counted as lookups, because the kernel takes no reference to them.
    if (after < kSelfCookie && visit({kSelfCookie, ".", self}) == Visit::stop) return {};
    const auto above = nodes_.find(names.parent); // gone, if both this directory and the one above were removed
    const Inode &parent = above == nodes_.end() ? self : *above->second.inode;
    if (after < kParentCookie && visit({kParentCookie, "..", parent}) == Visit::stop) return {};
    const auto end = names.by_cookie.upper_bound(last);
    for (auto next = names.by_cookie.upper_bound(std::min(after, last)); next != end; ++next) {
        const Named &named = next->second;
        const Visit visited = visit({next->first, named.name, *named.inode});
        if (visited == Visit::stop) break;
        if (visited == Visit::next_and_lookup) node_of(named.inode->id()).lookups.fetch_add(1);
    }
    return {};
}

std::vector<InodeId> Namespace::orphans() const {
    const HoldShared hold(tree_);
    return {orphans_.begin(), orphans_.end()};
}

bool Namespace::has_dying_orphans() const {
    const HoldShared hold(tree_);
    if (dying_.load() > 0) return true;
    const auto is_there = [](const std::weak_ptr<const void> &inode) { return !inode.expired(); };
    if (std::any_of(forgotten_.begin(), forgotten_.end(), is_there)) return true;
    return std::any_of(orphans_.begin(), orphans_.end(), [this](InodeId id) REQUIRES_SHARED(tree_) {
        const Inode &inode = *node_of(id).inode;
        return holds_memory(inode) && is_closed(inode) && !inode.lingers.load(std::memory_order_relaxed);
    });
}

void Namespace::give_up_on_orphans() {
    const HoldExclusive hold(tree_);
    forgotten_.clear();
    for (const InodeId id : orphans_) {
        Inode &inode = *node_of(id).inode;
        if (is_closed(inode)) inode.lingers.store(true, std::memory_order_relaxed);
    }
}

Result<Namespace::Directory *> Namespace::directory(InodeId id) const {
    const auto found = nodes_.find(id);
    if (found == nodes_.end()) return Error{ESTALE, 0, "find directory"};
    if (!found->second.directory) return Error{ENOTDIR, 0, "find directory"};
    return found->second.directory.get();
}

Namespace::Named *Namespace::child(Directory &directory, std::string_view name) {
    const auto found = directory.cookies.find(name);
    return found == directory.cookies.end() ? nullptr : &directory.by_cookie.find(found->second)->second;
}

Namespace::Node &Namespace::add_node(const InodeRef &inode) {
    Node &node = nodes_[inode->id()];
    node.inode = inode;
    return node;
}

std::uint64_t Namespace::insert(Directory &directory, std::string_view name, const InodeRef &inode) {
    const std::uint64_t cookie = next_cookie_++;
    const auto [at, is_new] = directory.by_cookie.emplace(cookie, Named{std::string(name), inode});
    GMEMFS_ASSERT(is_new);
    directory.cookies.emplace(at->second.name, cookie);
    directory.inode.hold_entries(directory.by_cookie.size());
    return cookie;
}

void Namespace::erase(Directory &directory, std::string_view name) {
    const auto found = directory.cookies.find(name);
    GMEMFS_ASSERT(found != directory.cookies.end());
    const std::uint64_t cookie = found->second;
    directory.cookies.erase(found); // first, because its key is a view of the string that goes next
    directory.by_cookie.erase(cookie);
    directory.inode.hold_entries(directory.by_cookie.size());
}

// Takes links away, and returns the inode for the caller to drop after the lock where nobody knows it any more.
InodeRef Namespace::lose_link(const InodeRef &inode, timespec now) {
    inode->add_links(inode->is_directory() ? -2 : -1, now);
    if (inode->links() != 0) return nullptr;
    const auto found = nodes_.find(inode->id());
    if (found->second.lookups != 0 || found->second.is_inherited) {
        orphans_.insert(inode->id());
        return nullptr;
    }
    InodeRef last = std::move(found->second.inode);
    nodes_.erase(found);
    watch(*last);
    return last;
}

// Of an inode that nobody knows any more, and whose memory is about to come back.
void Namespace::watch(Inode &last) {
    const auto is_gone = [](const std::weak_ptr<const void> &inode) { return inode.expired(); };
    forgotten_.erase(std::remove_if(forgotten_.begin(), forgotten_.end(), is_gone), forgotten_.end());
    if (holds_memory(last)) forgotten_.push_back(last.until_gone());
}

} // namespace gmemfs
