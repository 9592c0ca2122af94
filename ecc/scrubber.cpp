#include "ecc/scrubber.hpp"

#include <algorithm>

namespace gmemfs {
namespace {

constexpr double kWaitMax = 1e6; // seconds between two jobs: at a byte a second a clock's ticks would run over

} // namespace

Result<std::unique_ptr<Scrubber>> Scrubber::create(Pool &pool, std::uint64_t bytes_per_second, Next next) {
    GMEMFS_ASSERT(bytes_per_second > 0);
    FindingsBuffer findings = TRY(FindingsBuffer::create(pool));
    Stream stream = TRY(Stream::create(pool.device()));
    std::unique_ptr<Scrubber> scrubber(
        new Scrubber(bytes_per_second, std::move(next), std::move(findings), std::move(stream)));
    scrubber->thread_ = std::thread([made = scrubber.get()] { made->run(); });
    return scrubber;
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
    const Result<BlockReport> report = job.parity->repair(stream_.get(), findings_, job.first, job.count);
    {
        const std::lock_guard<std::mutex> hold(mutex_);
        if (report) {
            counts_.scrubbed += report->blocks;
            counts_.repaired += report->blocks_mended;
            counts_.damaged += report->left_wrong.size();
        } else {
            ++counts_.failed;
        }
        // A job that failed is charged, too: a device that fails isn't asked as fast as it can refuse.
        const double seconds = static_cast<double>(job.count * kBlockSize) / static_cast<double>(bytes_per_second_);
        earliest_ = began + std::chrono::duration_cast<Clock::duration>(
                                std::chrono::duration<double>(std::min(seconds, kWaitMax)));
    }
    job.done(report);
}

} // namespace gmemfs
