// Stream: a queue of work, and the thread that does the work later.
//
// The caller queues work. The stream's thread runs it a fifth of a millisecond later or more, or at once where somebody
// asks for it; or the thread that waits for it runs it. So a missing wait is a bug here as on a card: the destination
// of a copy to the host is filled with 0xDB when the copy is queued, and the source of a copy to the device is read
// when the copy runs.
#pragma once

#include "vmm/sim/process.hpp"

#include <chrono>
#include <condition_variable>
#include <cstdint>
#include <deque>
#include <functional>
#include <memory>
#include <mutex>

namespace gmemfs::sim {

/// Thread-safe. Its thread holds a reference, and ends when it is told to and the queue is empty.
class Stream : public std::enable_shared_from_this<Stream> {
public:
    using Work = std::function<CUresult()>;

    /// The legacy stream and blocking ones wait for each other; non-blocking ones wait for nobody.
    enum class Kind { legacy, blocking, non_blocking };

    static std::shared_ptr<Stream> start(Context *context, Kind kind);
    Context *context() const { return context_; }
    Kind kind() const { return kind_; }

    std::uint64_t queue(Work work); ///< the number of this piece of work
    void hurry();                   ///< somebody asks whether it is done
    void wait(std::uint64_t number);
    void wait_all();
    bool is_idle();
    bool is_done(std::uint64_t number);
    std::uint64_t queued_count();
    void end(); ///< after what is queued

private:
    Stream(Context *context, Kind kind) : context_(context), kind_(kind) {}
    using Clock = std::chrono::steady_clock;
    using Time = Clock::time_point;
    struct Queued {
        Work work;
        Time queued;
    };
    void run();
    void run_one(std::unique_lock<std::mutex> &lock);

    Context *const context_;
    const Kind kind_;
    std::mutex mutex_;
    std::condition_variable queued_;
    std::condition_variable done_;
    std::deque<Queued> works_;
    std::uint64_t queued_count_ = 0;
    std::uint64_t done_count_ = 0;
    bool is_running_ = false; // one at a time, in order, by whichever thread
    bool is_parked_ = false;  // the thread sleeps until something is queued
    bool is_urgent_ = false;
    bool is_ending_ = false;
};

/// What cuEventRecord remembers. Under `mutex`.
struct Event {
    std::mutex mutex;
    std::shared_ptr<Stream> stream;
    std::uint64_t number = 0;
};

} // namespace gmemfs::sim
