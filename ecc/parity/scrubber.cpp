#include "ecc/parity/scrubber.hpp"

#include "vmm/device/trace.hpp"

#include <algorithm>

namespace gmemfs {
namespace {

constexpr double kWaitMax = 1e6; // seconds between two jobs: at a byte a second a clock's ticks would run over

} // namespace

Scrubber::Scrubber(std::uint64_t bytes_per_second, Next next)
    : bytes_per_second_(bytes_per_second), next_(std::move(next)) {
    GMEMFS_ASSERT(bytes_per_second > 0);
    thread_ = std::thread([this] { run(); }); // the last thing: all else is there
}

Scrubber::~Scrubber() {
    {
        const std::lock_guard<std::mutex> hold(mutex_);
        ends_ = true;
    }
    changed_.notify_all();
    if (thread_.joinable()) thread_.join();
}

void Scrubber::wake() {
    {
        const std::lock_guard<std::mutex> hold(mutex_);
        has_work_ = true;
    }
    changed_.notify_all();
}

void Scrubber::pause() {
    const std::lock_guard<std::mutex> hold(mutex_);
    paused_ = true;
}

void Scrubber::resume() {
    {
        const std::lock_guard<std::mutex> hold(mutex_);
        paused_ = false;
    }
    changed_.notify_all();
}

Scrubber::Counts Scrubber::counts() const {
    const std::lock_guard<std::mutex> hold(mutex_);
    return counts_;
}

void Scrubber::run() {
    while (wait_for_turn()) {
        const std::optional<Job> job = next_();
        if (job) {
            scrub(*job);
            const std::lock_guard<std::mutex> hold(mutex_);
            has_work_ = true;
        }
    }
}

// False: it is to end. Supposes that there is no work after this turn: a wake() from here on, also while the next job
// is asked for, isn't lost.
bool Scrubber::wait_for_turn() {
    std::unique_lock<std::mutex> hold(mutex_);
    while (!ends_) {
        if (paused_ || !has_work_) {
            changed_.wait(hold);
        } else if (Clock::now() < earliest_) {
            changed_.wait_until(hold, earliest_);
        } else {
            has_work_ = false;
            return true;
        }
    }
    return false;
}

void Scrubber::scrub(const Job &job) {
    const Clock::time_point began = Clock::now();
    const Trace trace("gmemfs scrub");
    const Result<BlockReport> report = job.repair();
    const std::lock_guard<std::mutex> hold(mutex_);
    if (report) {
        counts_.scrubbed += report->blocks;
        counts_.repaired += report->blocks_mended;
        counts_.damaged += report->left_wrong.size();
    } else {
        ++counts_.failed;
    }
    // A job that failed is charged, too: a device that fails isn't asked as fast as it can refuse.
    const double seconds = static_cast<double>(job.bytes) / static_cast<double>(bytes_per_second_);
    earliest_ =
        began + std::chrono::duration_cast<Clock::duration>(std::chrono::duration<double>(std::min(seconds, kWaitMax)));
}

} // namespace gmemfs
