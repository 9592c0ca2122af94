// Scrubber: a thread that runs jobs of verifying and repairing blocks, no faster than a given pace.
//
// A scrubber knows no files. The owner of the parity gives it one job at a time. A job keeps writers away from its
// blocks while it runs. So the owner decides what is scrubbed, in what order, and how long blocks are locked: a job of
// 64 MiB takes 40 us on a device that reads 4 TB/s, and its launches take as long again.
#pragma once

#include "ecc/parity/parity.hpp"

#include <chrono>
#include <condition_variable>
#include <functional>
#include <memory>
#include <mutex>
#include <optional>
#include <thread>

namespace gmemfs {

/// Thread-safe. Outlived by all that its jobs name.
class Scrubber {
public:
    struct Job {
        std::uint64_t bytes; ///< of data that it reads
        /// Repairs, and returns what was found. Called once, on the scrubber's thread, and destroyed right after.
        std::function<Result<BlockReport>()> repair;
    };
    /// Returns the next job, or nothing where there is no work until wake(). Called on the scrubber's thread, which
    /// holds none of its locks then.
    using Next = std::function<std::optional<Job>()>;

    /// Since the start. A block that stays damaged counts each time that it is scrubbed.
    struct Counts {
        std::uint64_t scrubbed = 0, repaired = 0, damaged = 0; ///< blocks
        std::uint64_t failed = 0;                              ///< jobs that the device couldn't do
    };

    /// Begins at once. Reads at most `bytes_per_second` (at least 1) of data, averaged over any two or more jobs: from
    /// the begin of one job to the begin of the next, at least as much time passes as the first one's bytes take at
    /// that pace.
    Scrubber(std::uint64_t bytes_per_second, Next next);
    /// Waits for the job that is under way, not for the pace.
    ~Scrubber();
    Scrubber(const Scrubber &) = delete;
    Scrubber &operator=(const Scrubber &) = delete;

    void wake();   ///< there may be work again
    void pause();  ///< no job begins until resume(); the one that is under way goes on
    void resume(); ///< the pace is no higher afterwards to make up for the pause
    Counts counts() const;

private:
    using Clock = std::chrono::steady_clock;
    void run();
    bool wait_for_turn();
    void scrub(const Job &job);

    const std::uint64_t bytes_per_second_;
    const Next next_;
    mutable std::mutex mutex_; // std::condition_variable wants this one; for what follows
    std::condition_variable changed_;
    bool ends_ = false, paused_ = false;
    bool has_work_ = true; // as far as is known
    Clock::time_point earliest_ = Clock::now();
    Counts counts_;
    std::thread thread_; // last: it uses all of these
};

} // namespace gmemfs
