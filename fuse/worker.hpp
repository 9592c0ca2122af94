// Worker: a thread that serves requests, one after the other, from a source of its own.
#pragma once

#include "fuse/dialect.hpp"
#include "fuse/request_source.hpp"
#include "vmm/copiers.hpp"

#include <fuse_lowlevel.h>

#include <atomic>
#include <cstdint>
#include <functional>
#include <memory>
#include <optional>
#include <span>
#include <thread>

namespace gmemfs {

/// start() and stop() are called by one thread.
class Worker {
public:
    /// `handshake` is that of the session, and outlives it.
    static Result<std::unique_ptr<Worker>> create(const std::vector<std::unique_ptr<Device>> &devices,
        fuse_session *session, Handshake &handshake, std::unique_ptr<RequestSource> source);
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
    /// The same, for whoever may be on another thread: null there.
    static Worker *find_current();
    Dialect &dialect() { return dialect_; }
    Copiers &copiers() { return copiers_; }
    RequestSource &source() { return *source_; }
    /// After stop(): why it served no longer, where that wasn't the session's end.
    const std::optional<Error> &failure() const { return failure_; }
    std::uint64_t request_number() const { return request_ & ~kAskedAgain; } ///< as the kernel counts
    /// Another server has had the request in hand already, and died.
    bool is_asked_again() const { return (request_ & kAskedAgain) != 0; }
    std::span<std::byte> reply_buffer() const { return source_->reply_buffer(); }

private:
    Worker(fuse_session *session, Handshake &handshake, Copiers copiers, std::unique_ptr<RequestSource> source)
        : session_(session), dialect_(handshake), copiers_(std::move(copiers)), source_(std::move(source)) {}
    void loop();
    Result<void> serve();

    fuse_session *const session_;
    Dialect dialect_;
    Copiers copiers_;
    const std::unique_ptr<RequestSource> source_;
    static constexpr std::uint64_t kAskedAgain = std::uint64_t(1) << 63; // FUSE_UNIQUE_RESEND
    void note_request(std::span<const std::byte> request);

    Received received_;
    std::uint64_t request_ = 0;
    std::optional<Error> failure_;
    std::thread thread_;
    std::atomic<bool> has_ended_ = false;
};

/// Once in a process, before the first start(): what a signal that wakes a worker does, which is nothing.
void install_wake_signal();

} // namespace gmemfs
