// Crew: how many workers wait for requests at a time.
//
// The kernel hands requests to waiting threads in turn. With 16 of them, a single client's requests would go round 16
// receive buffers, none of which is in a cache any more, and 16 sleeping threads: 2.9 GB/s and 22,000 requests of 4 KiB
// a second, against 5.2 and 48,000 with 2 (H200's host). So as many wait as the load needs, and the others are parked;
// the one parked last comes back first, for its buffer is the warmest.
#pragma once

#include "vmm/base/lock.hpp"

#include <atomic>
#include <condition_variable>
#include <vector>

namespace gmemfs {

/// Thread-safe. Wherever one is parked, another one is waiting or about to wait.
class Crew {
public:
    /// A member's own state; its worker keeps it.
    struct Member {
        std::condition_variable wake;
        bool is_parked = false;
        int surplus = 0; ///< how often in a row there were enough waiting without this one
    };

    /// Before waiting for a request: returns when this member is to wait for one, perhaps after a long sleep.
    void join(Member &member);
    /// After the wait: it has a request, or was woken by a signal. Wakes another where nobody is left waiting.
    void leave();
    /// After the request.
    void done() { busy_.fetch_sub(1); }
    /// The session ends: nobody is parked from now on.
    void disband();

private:
    bool has_enough() const { return !is_over_ && waiting_.load() >= kSpare + busy_.load() / kBusyASpare; }
    void park(Member &member);

    // So many wait beyond those that work: two keep one client's requests going without a wake-up between them.
    static constexpr int kSpare = 2;
    static constexpr int kBusyASpare = 4;
    static constexpr int kPatience = 8; // so that a short lull parks nobody

    std::atomic<int> waiting_ = 0;
    std::atomic<int> busy_ = 0;
    std::atomic<bool> is_over_ = false;
    std::mutex mutex_; // std::condition_variable wants this one
    std::vector<Member *> parked_;
};

} // namespace gmemfs
