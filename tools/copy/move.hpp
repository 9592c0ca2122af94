// Move: moves names as mv(1) does, and files to the device of the folder that they go to.
//
//     what is where that folder has its files     is renamed
//     else: another device, another filesystem    is copied beside the target, under a name of its own, which replaces
//                                                 the target at once; then the source is removed
//
// A folder of which anything has to be copied is made anew, and a file in it that needn't be copied gets a second name
// there. So an error or an interruption leaves the source whole, and nothing of the target.
#pragma once

#include "tools/copy/tree.hpp"
#include "tools/copy/whereabouts.hpp"
#include "vmm/base/lock.hpp"

#include <optional>
#include <set>
#include <string>
#include <vector>

namespace gmemfs {

struct MoveSettings {
    LaneCount lanes = {};    ///< threads
    bool verify = false;     ///< read what was copied again, and compare it, before the source is removed
    bool no_clobber = false; ///< what is there stays, and so does the source
    bool verbose = false;    ///< a line a source on standard output
};

/// Not thread-safe.
class Move {
public:
    explicit Move(const MoveSettings &settings);
    Move(const Move &) = delete;
    Move &operator=(const Move &) = delete;

    /// Notes what is to be done, in order. EINTR; every other failure is printed and counted.
    Result<void> plan(const std::string &source, const std::string &target);
    std::uint64_t size() const { return tree_.size(); } ///< bytes that are to be copied, at the most
    /// Does all that. EINTR; every other failure is printed and counted.
    Result<void> run(Progress &progress);
    std::size_t failures() const { return failures_ + tree_.failures(); }
    std::size_t renamed() const { return renamed_; } ///< sources
    std::size_t copied() const { return copied_; }   ///< sources of which something had to be copied

private:
    struct Item {
        enum class By { rename, unlink, copy } by = By::rename; // unlink: the target is another name of the source
        std::string source, target;
        struct stat status = {};
        std::string device = {};        // where the target's folder has its files; empty: anywhere
        bool is_within = false;         // source and target are on one filesystem
        std::string made = {};          // the name until all is there
        std::size_t first = 0, end = 0; // of the tree's tasks
    };
    static TreeSettings tree_settings(const MoveSettings &settings, Move &move);
    Result<std::optional<Item>> look(const std::string &source, const std::string &target);
    Result<void> plan_copy(Item &item);
    Result<void> count(const Result<void> &result, Progress *progress);
    Result<void> move(Item &item, Progress &progress);
    Result<void> copy(const Item &item, Progress &progress);
    Result<bool> keep(const std::string &source, const std::string &target, const struct stat &status) EXCLUDES(mutex_);
    Result<void> check_unchanged(const Item &item);
    Result<void> rename(const std::string &from, const Item &item) const;
    Result<void> remove_source(const Item &item) const;
    void discard(const Item &item) const;

    const MoveSettings settings_;
    const TreeSettings tree_settings_;
    CopyTree tree_;
    Mutex mutex_; // of keep(), which the tree's threads call; of what it uses the rest goes on when none of them runs
    Whereabouts whereabouts_;
    std::vector<Item> items_;
    std::set<std::string> targets_; // of all items
    const Item *current_ = nullptr; // which is being copied
    std::set<std::string> kept_;    // what of it needn't be copied
    std::size_t failures_ = 0, renamed_ = 0, copied_ = 0;
};

} // namespace gmemfs
