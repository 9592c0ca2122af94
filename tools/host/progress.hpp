// Progress: shows on a terminal's last line how far a copy has come.
#pragma once

#include "tools/host/interruption.hpp"
#include "vmm/base/lock.hpp"
#include "vmm/base/result.hpp"

#include <atomic>
#include <cstdint>
#include <string>

namespace gmemfs {

/// Thread-safe.
class Progress {
public:
    enum class Display { none, line };
    /// `total` is how many bytes are to come; 0 where that isn't known.
    Progress(Display display, std::uint64_t total);

    void start_file(const std::string &name) EXCLUDES(mutex_);
    void add(std::uint64_t bytes); ///< shows the line, ten times a second at the most
    void finish();                 ///< clears the line
    /// As long as one lives bytes are moved, apart from opening, allocating and mapping. Time that several share is
    /// counted once.
    class Moving {
    public:
        explicit Moving(Progress &progress) : progress_(progress) { progress_.begin_moving(); }
        Moving(const Moving &) = delete;
        Moving &operator=(const Moving &) = delete;
        ~Moving() { progress_.end_moving(); }

    private:
        Progress &progress_;
    };
    double seconds() const EXCLUDES(mutex_);          ///< in which bytes were moved
    void add_verified_by_digests() { ++by_digests_; } ///< a file
    void add_verified_by_bytes() { ++by_bytes_; }     ///< a file
    std::uint64_t verified_by_digests() const { return by_digests_; }
    std::uint64_t verified_by_bytes() const { return by_bytes_; }
    std::uint64_t done() const { return done_; } ///< bytes

private:
    void show(std::uint64_t done, double seconds) EXCLUDES(mutex_);
    void begin_moving() EXCLUDES(mutex_);
    void end_moving() EXCLUDES(mutex_);

    const Display display_;
    const std::uint64_t total_;
    const double started_; // seconds of a steady clock
    std::atomic<std::uint64_t> done_ = 0, by_digests_ = 0, by_bytes_ = 0;
    std::atomic<std::int64_t> shown_ms_ = -1000;
    mutable Mutex mutex_; // and of the line
    std::string name_ GUARDED_BY(mutex_);
    unsigned moving_ GUARDED_BY(mutex_) = 0; // how many copies are
    double moving_since_ GUARDED_BY(mutex_) = 0, seconds_ GUARDED_BY(mutex_) = 0;
};

/// Calls fail(), and returns the exit status: kInterrupted where a signal to end was the cause, else kFailure.
int fail_or_interrupted(const Error &error);

} // namespace gmemfs
