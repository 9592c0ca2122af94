// Stream: a queue of work and the thread that does it, later.
//
// Work is queued by the caller and run by the stream's thread: when somebody waits for it, or a fifth of a millisecond
// after it was queued. So a missing wait is a bug here as on a card: the destination of a copy to the host is filled
// with 0xDB when the copy is queued, and the source of a copy to the device is read when it runs.
#pragma once

#include "vmm/sim/process.hpp"

#include <condition_variable>
#include <cstdint>
#include <deque>
#include <functional>
#include <memory>
#include <mutex>

namespace gmemfs::sim {

/// Thread-safe. Its thread holds a reference, and ends when it is told to and the queue is empty.
class Stream : public std::enable_shared_from_this<Stream> {
public:
    using Work = std::function<CUresult()>;

    static std::shared_ptr<Stream> start(Context *context, bool is_blocking);
    Context *context() const { return context_; }
    bool is_blocking() const { return is_blocking_; } ///< waits for the legacy stream, and that one for it

    std::uint64_t queue(Work work); ///< the number of this piece of work
    void hurry();                   ///< somebody waits
    void wait(std::uint64_t number);
    void wait_all();
    bool is_idle();
    bool is_done(std::uint64_t number);
    void end(); ///< after what is queued

private:
    Stream(Context *context, bool is_blocking) : context_(context), is_blocking_(is_blocking) {}
    void run();

    Context *const context_;
    const bool is_blocking_;
    std::mutex mutex_;
    std::condition_variable queued_;
    std::condition_variable done_;
    std::deque<Work> works_;
    std::uint64_t queued_count_ = 0;
    std::uint64_t done_count_ = 0;
    bool is_urgent_ = false;
    bool is_ending_ = false;
};

/// What cuEventRecord remembers. Under `mutex`.
struct Event {
    std::mutex mutex;
    std::shared_ptr<Stream> stream;
    std::uint64_t number = 0;
};

/// The stream of a CUstream; the legacy stream of the current context for null. Null for what is none.
std::shared_ptr<Stream> find_stream(CUstream stream);
CUresult create_stream(CUstream *stream, unsigned flags);
CUresult destroy_stream(CUstream stream);
/// What the legacy stream waits for before a synchronous copy, or cuCtxSynchronize: everything but non-blocking
/// streams.
void wait_for_blocking_streams(Context *context);
void wait_for_all_streams(Context *context);

std::shared_ptr<Event> find_event(CUevent event);
CUresult create_event(CUevent *event);
CUresult destroy_event(CUevent event);

// kernel.cpp
CUresult get_function(CUfunction *function, const char *name);
CUresult launch(CUfunction function, unsigned blocks, unsigned threads, CUstream stream, void **params);

} // namespace gmemfs::sim
