#include "vmm/sim/stream.hpp"

#include <chrono>
#include <thread>
#include <utility>

namespace gmemfs::sim {
namespace {

constexpr std::chrono::microseconds kIdleBeforeStart(200);
constexpr std::chrono::milliseconds kLookAgain(1);

} // namespace

std::shared_ptr<Stream> Stream::start(Context *context, Kind kind) {
    std::shared_ptr<Stream> stream(new Stream(context, kind));
    std::thread([stream] { stream->run(); }).detach();
    return stream;
}

// A wake by queue() takes longer than a copy of 4 KiB, and mostly a thread that waits has done the work by then. So as
// long as work comes, this looks for it by itself.
void Stream::run() {
    std::unique_lock<std::mutex> lock(mutex_);
    std::uint64_t seen_count = 0;
    while (!works_.empty() || !is_ending_) {
        const auto is_hurried = [this] { return is_urgent_ || is_ending_; };
        if (works_.empty() && seen_count == queued_count_) {
            is_parked_ = true;
            queued_.wait(lock, [this] { return !works_.empty() || is_ending_; });
            is_parked_ = false;
        } else if (works_.empty()) {
            seen_count = queued_count_;
            is_urgent_ = false;
            queued_.wait_for(lock, kLookAgain, is_hurried);
        } else if (const Time due = works_.front().queued + kIdleBeforeStart; !is_hurried() && Clock::now() < due) {
            queued_.wait_until(lock, due, is_hurried);
        } else {
            is_urgent_ = false;
            while (!works_.empty()) {
                if (is_running_)
                    done_.wait(lock); // a thread that waits does the work itself
                else
                    run_one(lock);
            }
        }
    }
}

void Stream::run_one(std::unique_lock<std::mutex> &lock) {
    const Work work = std::move(works_.front().work);
    works_.pop_front();
    is_running_ = true;
    lock.unlock();
    const int failed = context_->failed.load();
    const CUresult result = failed != CUDA_SUCCESS ? CUDA_SUCCESS : work(); // a lost context does nothing more
    if (result != CUDA_SUCCESS) context_->failed.store(result);
    lock.lock();
    is_running_ = false;
    ++done_count_;
    done_.notify_all();
}

std::uint64_t Stream::queue(Work work) {
    const std::lock_guard<std::mutex> hold(mutex_);
    works_.push_back({std::move(work), Clock::now()});
    if (is_parked_) queued_.notify_one();
    return ++queued_count_;
}

void Stream::hurry() {
    const std::lock_guard<std::mutex> hold(mutex_);
    is_urgent_ = !works_.empty();
    queued_.notify_one();
}

// A thread that waits does what is queued, unless the stream's thread is at it. So 4 KiB and a wait take 2 us, and not
// 42 us as where two threads hand over to each other.
void Stream::wait(std::uint64_t number) {
    std::unique_lock<std::mutex> lock(mutex_);
    while (done_count_ < number) {
        if (is_running_)
            done_.wait(lock);
        else
            run_one(lock);
    }
}

std::uint64_t Stream::queued_count() {
    const std::lock_guard<std::mutex> hold(mutex_);
    return queued_count_;
}

void Stream::wait_all() { wait(queued_count()); }

bool Stream::is_idle() {
    const std::lock_guard<std::mutex> hold(mutex_);
    return done_count_ == queued_count_;
}

bool Stream::is_done(std::uint64_t number) {
    const std::lock_guard<std::mutex> hold(mutex_);
    return done_count_ >= number;
}

void Stream::end() {
    const std::lock_guard<std::mutex> hold(mutex_);
    is_ending_ = true;
    queued_.notify_one();
}

} // namespace gmemfs::sim
