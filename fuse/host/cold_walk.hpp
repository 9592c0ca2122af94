// ColdWalk: packs files that nobody has used for a while, and moves them to host memory, on a thread of its own.
//
// --pack-after and --host-after; and what inodes say themselves (Inode::age, chattr +c).
#pragma once

#include "fuse/core/volume.hpp"
#include "fuse/host/front.hpp"

#include <chrono>
#include <condition_variable>
#include <cstdint>
#include <map>
#include <mutex>
#include <thread>

namespace gmemfs {

/// Begins at once. Thread-safe.
class ColdWalk {
public:
    /// How long a file must have been seen unused: closed, without a lease, with the same times and memory. 0: never.
    /// What an inode itself says goes before.
    struct Ages {
        std::chrono::seconds pack, host;
    };
    /// `volume` and `front` outlive this.
    ColdWalk(Volume &volume, Front &front, Ages ages);
    /// Waits for the file that is being packed or moved.
    ~ColdWalk();
    ColdWalk(const ColdWalk &) = delete;
    ColdWalk &operator=(const ColdWalk &) = delete;

private:
    using Clock = std::chrono::steady_clock;
    enum class Step { none, pack, offload };
    // What of a file changes when it is used; and since when it hasn't.
    struct Seen {
        std::uint64_t generation;
        timespec accessed, modified, changed;
        Clock::time_point since;
        Step settled = Step::none; // which would change nothing, or has failed for good
        bool is_same_use(const Seen &other) const;
    };
    void run();
    void pass(Copiers &copiers);
    void look_at(Copiers &copiers, Inode &inode, std::map<InodeId, Seen> &next);
    Step next_step(const Inode &inode, Clock::duration idle) const;
    Result<bool> take(Step step, Copiers &copiers, Inode &inode);
    Clock::duration interval() const;
    bool wait();

    Volume &volume_;
    Front &front_;
    const Ages ages_;
    std::map<InodeId, Seen> seen_; // the thread's
    std::mutex mutex_;             // std::condition_variable wants this one; for what follows
    std::condition_variable changed_;
    bool ends_ = false;
    std::thread thread_; // last: it uses all of these
};

} // namespace gmemfs
