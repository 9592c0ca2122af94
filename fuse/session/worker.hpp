// Worker: a thread that serves requests, one after the other, from a source of its own.
#pragma once

#include "fuse/session/dialect.hpp"
#include "fuse/session/request_source.hpp"
#include "fuse/session/session.hpp"
#include "vmm/memory/copiers.hpp"

#include <atomic>
#include <cstdint>
#include <functional>
#include <initializer_list>
#include <memory>
#include <optional>
#include <span>
#include <sys/types.h>
#include <thread>

namespace gmemfs {

/// start() and stop() are called by one thread.
class Worker {
public:
    /// `handshake` is that of the session, and outlives it, as `session` does.
    static Result<std::unique_ptr<Worker>> create(const std::vector<std::unique_ptr<Device>> &devices, Session &session,
        Handshake &handshake, std::unique_ptr<RequestSource> source);
    ~Worker() { stop(); }
    Worker(const Worker &) = delete;
    Worker &operator=(const Worker &) = delete;

    /// Serves until the session has ended; calls `ended` then, on its own thread. `greeted` is shown the kernel's
    /// FUSE_INIT, as it came.
    using Greeted = std::function<void(std::span<const std::byte> greeting)>;
    void start(Greeted greeted, std::function<void()> ended);
    /// The session has been told to exit: wakes the thread where it waits for a request, and joins it.
    void stop();

    /// The worker whose thread this is; only a request's handler may ask.
    static Worker &current() {
        GMEMFS_ASSERT(current_ != nullptr);
        return *current_;
    }
    /// The same, but null on a thread that is no worker's.
    static Worker *find_current() { return current_; }
    /// Answers the present request with 0 and `body`, or with an errno. False: nobody wants the answer any more.
    bool answer(int code, std::initializer_list<iovec> body);
    /// The present request is one that gets no answer.
    void waive_answer() { is_answered_ = true; }
    Dialect &dialect() { return dialect_; }
    Copiers &copiers() { return copiers_; }
    RequestSource &source() { return *source_; }
    /// Valid after stop(): why the worker stopped serving, where that wasn't the session's end.
    const std::optional<Error> &failure() const { return failure_; }
    std::uint64_t request_number() const { return request_ & ~kAskedAgain; } ///< as the kernel counts
    pid_t caller() const { return caller_; } ///< the thread that makes the present request; 0: of another PID namespace
    /// A server that died has had this request already.
    bool is_asked_again() const { return (request_ & kAskedAgain) != 0; }
    std::span<std::byte> reply_buffer() const { return source_->reply_buffer(); }

private:
    static constinit inline thread_local Worker *current_ = nullptr; // of the calling thread
    Worker(Session &session, Handshake &handshake, Copiers copiers, std::unique_ptr<RequestSource> source)
        : session_(session), dialect_(handshake), copiers_(std::move(copiers)), source_(std::move(source)) {}
    void loop();
    Result<void> serve();
    void pass_on_answer();

    Session &session_;
    Dialect dialect_;
    Copiers copiers_;
    const std::unique_ptr<RequestSource> source_;
    static constexpr std::uint64_t kAskedAgain = std::uint64_t(1) << 63; // FUSE_UNIQUE_RESEND
    void note_request(std::span<const std::byte> request);

    Greeted greeted_;
    std::uint64_t request_ = 0;
    pid_t caller_ = 0;
    bool is_answered_ = false;
    std::optional<Error> failure_;
    std::thread thread_;
    std::atomic<bool> has_ended_ = false;
};

/// Once in a process, before the first start(): what a signal that wakes a worker does, which is nothing.
void install_wake_signal();

} // namespace gmemfs
