// Scrubber: verifies and repairs the parity of all files in the background, at a pace, while the mount isn't busy.
//
// A pass goes over all files that have parity, 64 MiB at a time. Writers of these bytes wait meanwhile, 40 us on a
// device that reads 4 TB/s and as long again for the launches. While the mount is busy the scrubber waits, and leaves
// the device to its users.
#pragma once

#include "fuse/core/volume.hpp"
#include "fuse/host/stats.hpp"

#include <chrono>
#include <condition_variable>
#include <cstdint>
#include <mutex>
#include <thread>
#include <vector>

namespace gmemfs {

/// Thread-safe. Has a thread of its own, from its making to its end.
class Scrubber {
public:
    /// Since the start. A block that stays damaged counts each time that it is scrubbed.
    struct Counts {
        std::uint64_t scrubbed = 0, repaired = 0, damaged = 0; ///< blocks
        std::uint64_t failed = 0;                              ///< ranges that the device couldn't verify
        std::uint64_t passes = 0;                              ///< ended ones
    };

    /// Reads `bytes_per_second` (at least 1) of data at the most: from the begin of one range to the begin of the next,
    /// at least as much time passes as the first one's bytes take at that pace. A pass begins `interval` after the one
    /// before it began, or ended if that is later. `volume` and `stats` outlive the scrubber.
    Scrubber(Volume &volume, const Stats &stats, std::uint64_t bytes_per_second, std::chrono::seconds interval);
    /// Waits for the range that is under way, not for the pace.
    ~Scrubber();
    Scrubber(const Scrubber &) = delete;
    Scrubber &operator=(const Scrubber &) = delete;

    Counts counts() const;

private:
    using Clock = std::chrono::steady_clock;
    void run();
    bool wait_until(Clock::time_point when);
    bool is_busy();
    std::uint64_t scrub_next();
    bool begin_pass();
    void count(const Result<BlockReport> &report);
    Clock::duration time_for(std::uint64_t bytes) const;

    Volume &volume_;
    const Stats &stats_;
    const std::uint64_t bytes_per_second_;
    const std::chrono::seconds interval_;
    // The thread's:
    std::uint64_t requests_before_ = 0, bytes_before_ = 0; // at the last look
    std::vector<InodeId> files_;                           // what is left of this pass, the next one last
    std::uint64_t offset_ = 0;                             // in that one
    bool is_under_way_ = false;                            // a pass
    Clock::time_point next_pass_;

    mutable std::mutex mutex_; // std::condition_variable wants this one; for what follows
    std::condition_variable ended_;
    bool ends_ = false;
    Counts counts_;
    std::thread thread_; // last: it uses all of these
};

} // namespace gmemfs
