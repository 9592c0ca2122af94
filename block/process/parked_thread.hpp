// Parked thread: a thread that is made, locked into memory and known as an I/O flusher before there is work for it.
#pragma once

#include "block/process/setup.hpp"
#include "vmm/base/lock.hpp"

#include <functional>
#include <memory>
#include <pthread.h>

namespace gmemfs::block {

/// Owner of the thread. start(), finish() and the destructor are called by one thread.
class ParkedThread {
public:
    using Work = std::function<Result<void>()>;
    /// Returns when the thread waits. When `work` is done, the eventfd `ended` becomes readable.
    /// EPERM: see lockdown.hpp.
    static Result<std::unique_ptr<ParkedThread>> create(Locking locking, Work work, int ended);
    ~ParkedThread() { (void)finish(); }
    ParkedThread(const ParkedThread &) = delete;
    ParkedThread &operator=(const ParkedThread &) = delete;

    void start() EXCLUDES(mutex_); ///< takes no memory
    /// Waits for the end of the work, and returns its result. Work that wasn't started never will be.
    Result<void> finish() EXCLUDES(mutex_);

private:
    enum class State : std::uint8_t { preparing, parked, working, over };
    ParkedThread(Work work, int ended) : work_(std::move(work)), ended_(ended) {}
    void run(Locking locking);
    void set_state(State state) EXCLUDES(mutex_);

    const Work work_;
    const int ended_;
    pthread_t thread_ = {};
    bool is_joinable_ = false;
    Mutex mutex_;
    Condition changed_;
    State state_ GUARDED_BY(mutex_) = State::preparing;
    Result<void> result_ GUARDED_BY(mutex_);
};

} // namespace gmemfs::block
