// Scrubber: a thread that has blocks compared with their parity, and repaired, at a pace.
//
// It knows no files. Whoever owns the parity gives it one job at a time, which keeps writers away from its blocks while
// it runs, and so decides what is scrubbed, in what order, and how long it is locked: a job of 64 MiB takes 40 us on a
// device that reads 4 TB/s, and the launches as long again.
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
        /// Called once, on the scrubber's thread: repairs, and says what it found. What it owns is let go right after.
        std::function<Result<BlockReport>()> repair;
    };
    /// Asked on the scrubber's thread, with none of its locks held. Nothing: there is no work until wake().
    using Next = std::function<std::optional<Job>()>;

    /// Since the start. A block that stays damaged counts each time that it is scrubbed.
    struct Counts {
        std::uint64_t scrubbed = 0, repaired = 0, damaged = 0; ///< blocks
        std::uint64_t failed = 0;                              ///< jobs that the device couldn't do
    };

    /// Begins at once. It reads `bytes_per_second` (at least 1) of data at the most, over any two jobs and more: the
    /// time that a job's bytes take is waited out before the next one is asked for.
    Scrubber(std::uint64_t bytes_per_second, Next next);
    /// Waits for the job that is under way, and for no pace.
    ~Scrubber();
    Scrubber(const Scrubber &) = delete;
    Scrubber &operator=(const Scrubber &) = delete;

    void wake();   ///< there may be work again
    void pause();  ///< no job is asked for until resume(); one that is under way goes on
    void resume(); ///< what was paused isn't made up for: the pace is no higher afterwards
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
