#include "fuse/worker.hpp"

#include "fuse/core/journal.hpp"
#include "fuse/log.hpp"

#include <linux/fuse.h>

#include <algorithm>
#include <csignal>
#include <cstring>
#include <pthread.h>
#include <unistd.h>

namespace gmemfs {
namespace {

constexpr int kWakeSignal = SIGUSR1;

Worker *&current_worker() {
    static thread_local Worker *worker = nullptr;
    return worker;
}

} // namespace

void install_wake_signal() {
    struct sigaction action = {};
    action.sa_handler = [](int) {};
    ::sigaction(kWakeSignal, &action, nullptr); // no SA_RESTART: read(2) is to return EINTR
    std::signal(SIGPIPE, SIG_IGN);
    std::signal(SIGXFSZ, SIG_IGN); // the journal's fallocate(2) says EFBIG then
}

Result<std::unique_ptr<Worker>> Worker::create(const std::vector<std::unique_ptr<Device>> &devices,
    fuse_session *session, Handshake &handshake, std::unique_ptr<RequestSource> source) {
    Copiers copiers = TRY(Copiers::create(devices));
    return std::unique_ptr<Worker>(new Worker(session, handshake, std::move(copiers), std::move(source)));
}

void Worker::start(Received received, std::function<void()> ended) {
    received_ = std::move(received);
    // Signals are the main thread's; this one is woken by kWakeSignal alone.
    sigset_t all = {};
    sigset_t before = {};
    sigfillset(&all);
    sigdelset(&all, kWakeSignal);
    ::pthread_sigmask(SIG_SETMASK, &all, &before);
    thread_ = std::thread([this, ended = std::move(ended)] {
        loop();
        has_ended_ = true;
        if (fuse_session_exited(session_) != 0) ended();
    });
    ::pthread_sigmask(SIG_SETMASK, &before, nullptr);
}

void Worker::stop() {
    if (!thread_.joinable()) return;
    source_->end();
    // A signal that comes just before the system call wakes nobody: so again, until it has.
    while (!has_ended_) {
        ::pthread_kill(thread_.native_handle(), kWakeSignal);
        ::usleep(1000);
    }
    thread_.join();
}

Worker &Worker::current() {
    GMEMFS_ASSERT(current_worker() != nullptr);
    return *current_worker();
}

void Worker::note_request(std::span<const std::byte> request) {
    fuse_in_header header = {};
    std::memcpy(&header, request.data(), std::min(request.size(), sizeof header));
    request_ = header.unique;
    Journal::serve_request(request_number());
    received_(request); // as it came: the dialect may change it
}

Worker *Worker::find_current() { return current_worker(); }

Result<void> Worker::serve() {
    if (!TRY(source_->begin())) return {};
    while (true) {
        const std::span<std::byte> request = TRY(source_->receive());
        if (request.empty()) continue;
        note_request(request);
        dialect_.hear(request);
        fuse_buf whole = {};
        whole.mem = request.data();
        whole.size = request.size();
        fuse_session_process_buf(session_, &whole);
        source_->done();
    }
}

void Worker::loop() {
    current_worker() = this;
    ::pthread_setname_np(::pthread_self(), "worker");
    const Result<void> served = serve();
    if (!served) {
        if (served.error().code != ENODEV) {
            log(LogLevel::error, "fuse", served.error(), "worker");
            failure_ = served.error();
        }
        fuse_session_exit(session_);
        source_->end();
    }
    current_worker() = nullptr;
}

} // namespace gmemfs
