// Namespace: names and directories, whose every operation happens whole or not at all.
#pragma once

#include "fuse/core/journal/occasion.hpp"
#include "fuse/core/names/inode.hpp"
#include "vmm/base/function_view.hpp"

#include <cstdint>
#include <map>
#include <memory>
#include <string>
#include <string_view>
#include <unordered_map>
#include <unordered_set>

namespace gmemfs {

class Journal;
class RecordWriter;

using InodeRef = std::shared_ptr<Inode>;

/// The name of the broker's socket: found in every directory, listed in none. No other inode can have it.
inline constexpr std::string_view kHiddenName = ".gmemfs.socket";
/// The socket's inode number, which never changes, because a kernel that outlives a server may still know it from the
/// last one.
inline constexpr InodeId kHiddenInode = INT64_MAX;

/// Thread-safe. The kernel's inode numbers keep an inode alive from the lookup that told it to the forget that ends it;
/// an inode without names is gone at the last forget, and its memory when the last holder lets go.
class Namespace {
public:
    /// `inodes_max`: how many there may be at a time, the root and what is unlinked but open included; 0: any number.
    Namespace(const Credentials &owner, mode_t root_mode, std::uint64_t inodes_max, timespec now);

    /// From here on every change is recorded before it is returned. The journal's error, then, from any of them: it has
    /// happened, but it couldn't be recorded. Before anybody else uses this.
    void record_in(Journal *journal) { journal_ = journal; }
    /// As a journal has it; nothing was made here yet. `prepare` gives a file its data. EBADMSG: what the journal says
    /// can't be.
    enum class KernelMemory {
        none, ///< a new mount: unlinked inodes are gone
        kept, ///< the kernel still knows numbers from before, and forgets them one day: unlinked inodes are kept
    };
    using Restore = FunctionView<Result<void>(Inode &made, const VolumeState::Node &node)>;
    Result<void> restore(const VolumeState &state, KernelMemory memory, Restore prepare) EXCLUDES(tree_);

    InodeRef root() const { return root_; }
    /// The inode of a number that the kernel was told. ENOENT, ESTALE: it never was, or is forgotten.
    Result<InodeRef> find(InodeId id) const EXCLUDES(tree_);

    /// Counts as one lookup of the inode. ENOENT, ENOTDIR, ENAMETOOLONG. "." is the inode itself, of whatever type, and
    /// ".." the directory above: so a kernel that has forgotten an inode finds it by its number. ESTALE: it is gone.
    Result<InodeRef> lookup(InodeId parent, std::string_view name) EXCLUDES(tree_);
    /// Drops `lookups` references that the kernel had.
    void forget(InodeId id, std::uint64_t lookups) EXCLUDES(tree_);

    /// Drops all references: the kernel's session has ended, and another one comes. Nothing is looked up, open or
    /// unlinked any more, and the hidden inode isn't there yet.
    void forget_all() EXCLUDES(tree_);

    /// A new inode under a new name; counts as one lookup. `prepare` gives it its data before anyone can see it, and is
    /// told the directory. A set-group-ID directory hands its group down, and Inode::inherit limits `mode`. EEXIST,
    /// ENOENT (the directory is removed), EPERM (kHiddenName), ENOSPC (there are inodes_max).
    using Prepare = FunctionView<void(Inode &made, const Inode &directory)>;
    Result<InodeRef> create(InodeId parent, std::string_view name, mode_t mode, const Credentials &owner,
        const Occasion &at, Prepare prepare) EXCLUDES(tree_);
    /// The same without a name, until link() gives it one; gone at the last forget where nothing does.
    Result<InodeRef> create_unnamed(
        InodeId parent, mode_t mode, const Credentials &owner, const Occasion &at, Prepare prepare) EXCLUDES(tree_);
    /// The inode that lookup() finds as kHiddenName in every directory; counts as one lookup. EEXIST: there is one.
    Result<InodeRef> create_hidden(mode_t mode, const Credentials &owner, timespec now) EXCLUDES(tree_);
    /// Another name; counts as one lookup. EMLINK, EPERM (a directory), EEXIST, ENOENT (the inode has lost its last
    /// name).
    /// EPERM from this and from what follows: the flags of an inode or its directory forbid it.
    Result<InodeRef> link(InodeId id, InodeId parent, std::string_view name, const Occasion &at) EXCLUDES(tree_);
    Result<void> unlink(InodeId parent, std::string_view name, const Occasion &at) EXCLUDES(tree_); ///< EISDIR
    Result<void> rmdir(InodeId parent, std::string_view name, const Occasion &at)
        EXCLUDES(tree_); ///< ENOTDIR, ENOTEMPTY
    enum class RenameMode { replace, no_replace, exchange };
    /// EINVAL: a directory into itself. EEXIST, ENOTEMPTY, EISDIR, ENOTDIR as rename(2) has them.
    Result<void> rename(InodeId from, std::string_view name, InodeId to, std::string_view new_name, RenameMode mode,
        const Occasion &at) EXCLUDES(tree_);
    /// The same, and a whiteout takes the old name: a device of number 0, by which overlayfs hides what lies below.
    Result<void> rename_with_whiteout(InodeId from, std::string_view name, InodeId to, std::string_view new_name,
        RenameMode mode, const Credentials &owner, const Occasion &at) EXCLUDES(tree_);

    /// Where the inode's names are; `likely` is the directory to look in first. Takes long where they are elsewhere.
    struct Place {
        InodeId parent;
        std::string name;
    };
    std::vector<Place> names_of(InodeId id, InodeId likely) const EXCLUDES(tree_);

    struct Entry {
        std::uint64_t cookie; ///< where readdir goes on after this entry; stable while the entry lives
        std::string_view name;
        const Inode &inode;
    };
    enum class Visit {
        stop,            ///< no room for this entry: it was not taken
        next,            ///< taken
        next_and_lookup, ///< taken, and counted as one lookup (readdirplus)
    };
    /// Shows ".", ".." and each entry whose cookie is greater than `after`, and no greater than `last`: what
    /// last_cookie() was when the reading began, or it might never end. Entries made, renamed or removed meanwhile may
    /// be seen or not, all others exactly once; one that replaces another has its place. `visit` runs under the tree
    /// lock: it calls nothing of this class. ENOTDIR.
    Result<void> list(InodeId directory, std::uint64_t after, std::uint64_t last,
        FunctionView<Visit(const Entry &)> visit) EXCLUDES(tree_);
    std::uint64_t last_cookie() const EXCLUDES(tree_); ///< no entry has a greater one yet

    /// Files that have parity, in the order of their numbers.
    std::vector<InodeId> files_with_parity() const EXCLUDES(tree_);
    /// Files of which `is_wanted` says so, in any order. It runs under the tree lock: it calls nothing of this class,
    /// and takes no lock of a file.
    std::vector<InodeId> files_where(FunctionView<bool(const Inode &)> is_wanted) const EXCLUDES(tree_);
    /// Inodes with times that no record tells of.
    std::vector<InodeRef> with_unrecorded_times() const EXCLUDES(tree_);
    std::uint64_t inodes_max() const { return inodes_max_; }
    std::uint64_t count() const EXCLUDES(tree_);        ///< inodes that have a name, the root included
    std::uint64_t orphan_count() const EXCLUDES(tree_); ///< inodes without a name that the kernel hasn't forgotten
    std::vector<InodeId> orphans() const EXCLUDES(tree_);
    /// Whether memory is about to come back: of one of these that isn't open, or whose release is on its way as its
    /// forget is; or of one that is forgotten, while a thread of ours still holds it.
    bool has_dying_orphans() const EXCLUDES(tree_);
    bool is_forgetting() const { return dying_.load() > 0; } ///< a thread is freeing their memory right now
    /// Makes present orphans linger: they don't count as dying any more. Called after a wait for them in vain: a
    /// process holds them without an open (O_PATH, a mount namespace) or by a descriptor that it had duplicated, or a
    /// peer holds them by a lease.
    void give_up_on_orphans() EXCLUDES(tree_);

private:
    struct Named {
        std::string name;
        InodeRef inode;
    };
    struct Directory {
        InodeId parent;
        Inode &inode; // its own
        std::map<std::uint64_t, Named> by_cookie;
        std::unordered_map<std::string_view, std::uint64_t> cookies; // the views are of by_cookie's strings
    };
    struct Node {
        InodeRef inode;
        std::atomic<std::uint64_t> lookups = 0;         // raised under the lock held shared
        bool is_inherited = false;                      // looked up from another server, too, nobody knows how often
        std::unique_ptr<Directory> directory = nullptr; // of a directory
    };

    static Result<void> check_name(std::string_view name);
    static Result<void> check_may_lose(const Inode &directory, const Inode &inode); // a name of it; EPERM
    Node &node_of(InodeId id) REQUIRES_SHARED(tree_);                               // there is one
    const Node &node_of(InodeId id) const REQUIRES_SHARED(tree_);
    Result<InodeId> find_dots(InodeId id, std::string_view name) const REQUIRES_SHARED(tree_);
    Result<Directory *> directory(InodeId id) const REQUIRES_SHARED(tree_);
    static Named *child(Directory &directory, std::string_view name); // null: no such name
    Result<Node *> make_inode(InodeId parent, mode_t mode, const Credentials &owner, timespec now, Prepare prepare)
        REQUIRES(tree_);
    Node &add_node(const InodeRef &inode) REQUIRES(tree_);
    std::uint64_t insert(Directory &directory, std::string_view name, const InodeRef &inode) REQUIRES(tree_);
    void erase(Directory &directory, std::string_view name) REQUIRES(tree_);
    /// Appends what `fill` writes; nothing where no journal is.
    Result<void> record(const Occasion &at, FunctionView<void(RecordWriter &)> fill);
    static void record_lost_link(RecordWriter &record, const Inode &inode, const InodeRef &last);
    static Result<void> check_restored(const VolumeState &state);
    void restore_names(const VolumeState &state) REQUIRES(tree_);
    Result<void> move_name(InodeId from, std::string_view name, InodeId to, std::string_view new_name, RenameMode mode,
        const Occasion &at, InodeRef &last, const InodeRef &whiteout) REQUIRES(tree_);
    InodeRef lose_link(const InodeRef &inode, timespec now) REQUIRES(tree_);
    Result<void> lose_name(InodeId parent, std::string_view name, const InodeRef &inode, const Occasion &at,
        InodeRef &last) REQUIRES(tree_);
    void watch(Inode &last) REQUIRES(tree_);
    Result<void> check_replace(const Inode &source, const Inode &target) const REQUIRES_SHARED(tree_);
    bool is_within(InodeId directory, InodeId ancestor) const REQUIRES_SHARED(tree_);
    void move_parent(const Inode &moved, InodeId from, InodeId to, timespec now) REQUIRES(tree_);

    Journal *journal_ = nullptr;
    mutable SharedMutex tree_;
    std::unordered_map<InodeId, Node> nodes_ GUARDED_BY(tree_);
    InodeRef root_;
    InodeRef hidden_ GUARDED_BY(tree_);
    const std::uint64_t inodes_max_;
    InodeId next_id_ GUARDED_BY(tree_) = kRootInode + 1;
    std::uint64_t next_cookie_ GUARDED_BY(tree_) = 3; // 1 and 2 are "." and ".."
    std::unordered_set<InodeId> orphans_ GUARDED_BY(tree_);
    std::atomic<int> dying_ = 0; // threads that free the memory of forgotten ones
    std::vector<std::weak_ptr<const void>> forgotten_ GUARDED_BY(tree_); // Inode::until_gone of those
};

} // namespace gmemfs
