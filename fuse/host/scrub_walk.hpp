// ScrubWalk: chooses whose parity is verified next in the background, and waits while the mount is busy.
//
// A pass goes over all files that have parity, 64 MiB at a time. While the mount is busy the walk waits, and leaves the
// device to its users.
#pragma once

#include "ecc/parity/scrubber.hpp"
#include "fuse/core/volume.hpp"
#include "fuse/host/stats.hpp"

#include <atomic>
#include <chrono>
#include <cstdint>
#include <memory>
#include <vector>

namespace gmemfs {

/// Made and destroyed by the main thread, on whose GLib loop it looks at the load, once a second.
class ScrubWalk {
public:
    /// `bytes_per_second` at the most, at least 1; a pass begins `interval` after the one before it began, or ended if
    /// that is later. `volume` and `stats` outlive it.
    ScrubWalk(Volume &volume, const Stats &stats, std::uint64_t bytes_per_second, std::chrono::seconds interval);
    ~ScrubWalk();
    ScrubWalk(const ScrubWalk &) = delete;
    ScrubWalk &operator=(const ScrubWalk &) = delete;

    Scrubber::Counts counts() const { return scrubber_->counts(); }                  ///< thread-safe
    std::uint64_t passes() const { return passes_.load(std::memory_order_relaxed); } ///< ended ones; thread-safe

private:
    std::optional<Scrubber::Job> next();
    bool begin_pass();
    void tick();

    Volume &volume_;
    const Stats &stats_;
    const std::chrono::seconds interval_;
    std::uint64_t requests_before_ = 0, bytes_before_ = 0; // at the last tick
    unsigned timer_ = 0;
    std::atomic<std::uint64_t> passes_ = 0;
    // The scrubber's thread's:
    std::vector<InodeId> files_; // what is left of this pass, the next one last
    std::uint64_t offset_ = 0;   // in that one
    bool is_under_way_ = false;
    std::chrono::steady_clock::time_point next_pass_;
    std::unique_ptr<Scrubber> scrubber_; // last: its thread uses all of these
};

} // namespace gmemfs
