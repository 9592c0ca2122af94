// Watch: which connections may look for the next request for some microseconds, before their thread sleeps.
//
// A client with one request at a time has the next one a few microseconds after its answer. To sleep, and to be woken
// by another core, takes longer than that. But a thread that looks keeps others from its core: so only as many look at
// once as a quarter of the cores.
#pragma once

#include <atomic>
#include <chrono>
#include <thread>

namespace gmemfs::block::nbd {

/// Thread-safe.
class Watch {
public:
    using Clock = std::chrono::steady_clock;
    static constexpr std::chrono::microseconds kLongest = std::chrono::microseconds(20);

    /// For `most` threads at once.
    explicit Watch(unsigned most) : most_(static_cast<int>(most)) {}
    static unsigned quarter_of_the_cores() { return std::thread::hardware_concurrency() / 4; }

    /// One thread's leave to look, while it lives.
    class Leave {
    public:
        explicit Leave(Watch &watch) : watch_(watch), is_granted_(watch.count_.fetch_add(1) < watch.most_) {}
        ~Leave() { watch_.count_.fetch_sub(1); }
        Leave(const Leave &) = delete;
        Leave &operator=(const Leave &) = delete;
        bool is_granted() const { return is_granted_; }

    private:
        Watch &watch_;
        const bool is_granted_;
    };

private:
    const int most_;
    std::atomic<int> count_ = 0;
};

} // namespace gmemfs::block::nbd
