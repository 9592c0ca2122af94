// Scrubber: a thread that reads blocks of one device, compares them with their parity, and repairs them, at a pace.
//
// It knows no files. Whoever owns the parity gives it one job at a time, keeps writers away from those blocks until the
// job is done, and so decides what is scrubbed, in what order, and how long it is locked: a job of 64 MiB takes 40 us
// on a device that reads 4 TB/s, and the launches as long again.
#pragma once

#include "ecc/parity.hpp"
#include "vmm/stream.hpp"

#include <chrono>
#include <condition_variable>
#include <functional>
#include <memory>
#include <mutex>
#include <optional>
#include <thread>

namespace gmemfs {

/// Thread-safe. Outlived by the pool, and by all that its jobs name.
class Scrubber {
public:
    /// Blocks that nobody writes to, and whose parity is current, until `done` returns.
    struct Job {
        Parity *parity;             ///< on the scrubber's device
        std::uint64_t first, count; ///< blocks; at least 1
        /// Called once, on the scrubber's thread, with what was found; what it owns is let go right after it.
        std::function<void(const Result<BlockReport> &)> done;
    };
    /// Asked on the scrubber's thread, with none of its locks held. Nothing: there is no work until wake().
    using Next = std::function<std::optional<Job>()>;

    /// Since the start. A block that stays damaged counts each time that it is scrubbed.
    struct Counts {
        std::uint64_t scrubbed = 0, repaired = 0, damaged = 0; ///< blocks
        std::uint64_t failed = 0;                              ///< jobs that the device couldn't do
    };

    /// Begins at once. It reads `bytes_per_second` (at least 1) of data at the most, over any two jobs and more: the
    /// time that a job's bytes take is waited out before the next one is asked for. ENOMEM, ENOSPC: no room for its
    /// findings.
    static Result<std::unique_ptr<Scrubber>> create(Pool &pool, std::uint64_t bytes_per_second, Next next);
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
    Scrubber(std::uint64_t bytes_per_second, Next next, FindingsBuffer findings, Stream stream)
        : bytes_per_second_(bytes_per_second), next_(std::move(next)), findings_(std::move(findings)),
          stream_(std::move(stream)) {}
    void run();
    bool wait_for_turn();
    void scrub(const Job &job);

    const std::uint64_t bytes_per_second_;
    const Next next_;
    FindingsBuffer findings_; // the thread's own, like the stream
    Stream stream_;
    mutable std::mutex mutex_; // std::condition_variable wants this one; for what follows
    std::condition_variable changed_;
    bool ends_ = false, paused_ = false;
    bool has_work_ = true; // as far as is known
    Clock::time_point earliest_ = Clock::now();
    Counts counts_;
    std::thread thread_; // last: it uses all of these
};

} // namespace gmemfs
