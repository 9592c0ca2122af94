#include "block/process/parked_thread.hpp"

#include "block/process/lockdown.hpp"

#include <csignal>
#include <unistd.h>

namespace gmemfs::block {
namespace {

constexpr std::size_t kStackSize = 512 * KiB; // locked; of the driver's copies, and of nothing deep

} // namespace

Result<std::unique_ptr<ParkedThread>> ParkedThread::create(Locking locking, Work work, int ended) {
    std::unique_ptr<ParkedThread> made(new ParkedThread(std::move(work), ended));
    struct Start {
        ParkedThread *thread;
        Locking locking;
    } start = {made.get(), locking};
    pthread_attr_t attributes;
    ::pthread_attr_init(&attributes);
    ::pthread_attr_setstacksize(&attributes, kStackSize);
    const int code = ::pthread_create(
        &made->thread_, &attributes,
        [](void *given) -> void * {
            const Start copy = *static_cast<Start *>(given); // the original goes once the thread is parked
            copy.thread->run(copy.locking);
            return nullptr;
        },
        &start);
    ::pthread_attr_destroy(&attributes);
    if (code != 0) return Error{code, 0, "make a thread"};
    made->is_joinable_ = true;
    {
        const Hold hold(made->mutex_);
        while (made->state_ == State::preparing) made->changed_.wait(made->mutex_);
        if (made->state_ != State::over) return made;
    }
    return made->finish().error();
}

void ParkedThread::run(Locking locking) {
    touch_stack();
    const Result<void> prepared = become_io_flusher(locking);
    {
        const Hold hold(mutex_);
        result_ = prepared;
        state_ = prepared ? State::parked : State::over;
        changed_.notify_all();
        while (state_ == State::parked) changed_.wait(mutex_);
        if (state_ == State::over) return;
    }
    const Result<void> done = work_();
    {
        const Hold hold(mutex_);
        result_ = done;
        state_ = State::over;
    }
    constexpr std::uint64_t kOne = 1;
    (void)!::write(ended_, &kOne, sizeof kOne);
}

void ParkedThread::set_state(State state) {
    const Hold hold(mutex_);
    if (state_ == State::parked) state_ = state;
    changed_.notify_all();
}

void ParkedThread::start() { set_state(State::working); }

Result<void> ParkedThread::finish() {
    set_state(State::over);
    if (is_joinable_) ::pthread_join(thread_, nullptr);
    is_joinable_ = false;
    const Hold hold(mutex_);
    return result_;
}

} // namespace gmemfs::block
