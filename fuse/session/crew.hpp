// Crew: lets as many workers wait for requests as the load needs, and parks the others.
//
// The kernel hands requests to waiting threads in turn. With 16 of them, a single client's requests would go round 16
// receive buffers, none of which is in a cache any more, and 16 sleeping threads: 2.9 GB/s and 22,000 requests of 4 KiB
// a second, against 5.2 and 48,000 with 2 (H200's host). So as many workers are up as the load needs, and the others
// are parked. The one that was parked last comes back first, because its buffer is the warmest.
//
// The load is the time that all members together work, over the time that passes: 3.5 is three and a half threads'
// worth of work. In read(2) a thread first waits and then copies, so only its processor time counts there.
#pragma once

#include "vmm/base/lock.hpp"

#include <atomic>
#include <cstdint>
#include <vector>

namespace gmemfs {

/// Thread-safe. While a member is parked, another one waits for a request, or is about to.
class Crew {
public:
    /// A member's own state; its worker keeps it.
    struct Member {
        Condition wake;
        bool is_parked = false;
        std::int64_t began_ns = 0; ///< processor time at join(), wall time at leave()
    };

    /// Called before waiting for a request. Returns when this member is to wait for one, perhaps after a long sleep.
    void join(Member &member);
    /// Called after the wait, when the member has a request, or was woken by a signal. Wakes another member where
    /// nobody is left waiting.
    void leave(Member &member);
    /// Called after the request was served.
    void done(Member &member);
    /// For a session that ends: wakes all members, and parks none from now on.
    void disband();

private:
    void review(std::int64_t now) EXCLUDES(mutex_);
    bool is_needed() const { return is_over_ || up_ <= wanted_; }
    void wake_one() REQUIRES(mutex_);

    std::atomic<int> waiting_ = 0;
    std::atomic<std::int64_t> worked_ns_ = 0; // by all members, since the last review
    std::atomic<std::int64_t> next_review_ns_ = 0;
    std::atomic<int> wanted_ = 2;
    std::atomic<int> up_ = 0; // members that aren't parked
    std::atomic<bool> is_over_ = false;
    Mutex mutex_; // for what follows, and to change up_ and wanted_
    std::vector<Member *> parked_ GUARDED_BY(mutex_);
    std::int64_t last_review_ns_ GUARDED_BY(mutex_) = 0;
    double load_ GUARDED_BY(mutex_) = 0; // rises at once, falls slowly
};

} // namespace gmemfs
