// Worker: a thread that receives requests into pinned memory and serves them.
//
//     receive buffer, pinned   | header | fuse_write_in | data, at a page's start |   a write is DMAed straight from
//     here reply buffer, pinned     | data |                                              a read is DMAed to here, and
//     sent
#pragma once

#include "fuse/crew.hpp"
#include "fuse/dialect.hpp"
#include "vmm/copiers.hpp"
#include "vmm/staging.hpp"

#include <fuse_lowlevel.h>

#include <cstdint>
#include <functional>
#include <memory>
#include <pthread.h>
#include <thread>

namespace gmemfs {

/// start() and stop() are called by one thread.
class Worker {
public:
    /// `crew` is that of all workers of the session, and outlives them.
    static Result<std::unique_ptr<Worker>> create(
        const std::vector<std::unique_ptr<Device>> &devices, fuse_session *session, Crew &crew);
    ~Worker() { stop(); }
    Worker(const Worker &) = delete;
    Worker &operator=(const Worker &) = delete;

    /// Serves until the session has ended; calls `ended` then, on its own thread. `received` is shown each request as
    /// it came, before it is served.
    using Received = std::function<void(std::span<const std::byte> request)>;
    void start(Received received, std::function<void()> ended);
    /// The session has been told to exit: wakes the thread where it waits for a request, and joins it.
    void stop();

    /// The worker whose thread this is; only a request's handler may ask.
    static Worker &current();
    /// Of the calling thread; null where it is no worker's.
    static Dialect *current_dialect();
    const Dialect &dialect() const { return dialect_; }
    Copiers &copiers() { return copiers_; }
    std::uint64_t request_number() const { return request_ & ~kAskedAgain; } ///< as the kernel counts
    /// Another server has had the request in hand already, and died.
    bool is_asked_again() const { return (request_ & kAskedAgain) != 0; }
    std::span<std::byte> reply_buffer() const { return reply_.bytes(); }

private:
    Worker(fuse_session *session, Crew &crew, Copiers copiers, PinnedBuffer receive, PinnedBuffer reply)
        : session_(session), crew_(crew), copiers_(std::move(copiers)), receive_(std::move(receive)),
          reply_(std::move(reply)) {}
    void loop();

    fuse_session *const session_;
    Crew &crew_;
    Crew::Member member_;
    Dialect dialect_;
    Copiers copiers_;
    PinnedBuffer receive_;
    PinnedBuffer reply_;
    static constexpr std::uint64_t kAskedAgain = std::uint64_t(1) << 63; // FUSE_UNIQUE_RESEND
    void note_request(std::span<const std::byte> request);

    Received received_;
    std::uint64_t request_ = 0;
    std::thread thread_;
    std::atomic<bool> has_ended_ = false;
};

/// Once in a process, before the first start(): what a signal that wakes a worker does, which is nothing.
void install_wake_signal();

} // namespace gmemfs
