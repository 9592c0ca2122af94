// ColdWalk: packs files that nobody has used for a while (--pack-after), on a thread of its own.
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
    /// A file is packed when it was seen unused `after` long: closed, without a lease, with the same times and memory.
    /// `volume` and `front` outlive this.
    ColdWalk(Volume &volume, Front &front, std::chrono::seconds after);
    /// Waits for the file that is being packed.
    ~ColdWalk();
    ColdWalk(const ColdWalk &) = delete;
    ColdWalk &operator=(const ColdWalk &) = delete;

private:
    using Clock = std::chrono::steady_clock;
    // What of a file changes when it is used; and since when it hasn't.
    struct Seen {
        std::uint64_t generation;
        timespec accessed, modified, changed;
        Clock::time_point since;
        bool is_settled = false; // packing it would save nothing, or has failed for good
        bool is_same_use(const Seen &other) const;
    };
    void run();
    void pass(Copiers &copiers);
    void look_at(Copiers &copiers, Inode &inode, std::map<InodeId, Seen> &next);
    bool wait();

    Volume &volume_;
    Front &front_;
    const std::chrono::seconds after_;
    std::map<InodeId, Seen> seen_; // the thread's
    std::mutex mutex_;             // std::condition_variable wants this one; for what follows
    std::condition_variable changed_;
    bool ends_ = false;
    std::thread thread_; // last: it uses all of these
};

} // namespace gmemfs
