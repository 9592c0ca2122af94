#include "fuse/worker.hpp"

#include "fuse/core/journal.hpp"
#include "fuse/log.hpp"

#include <linux/fuse.h>

#include <algorithm>
#include <csignal>
#include <cstring>
#include <fstream>
#include <unistd.h>

namespace gmemfs {
namespace {

constexpr std::size_t kPage = 4096;
constexpr std::size_t kHeader = sizeof(fuse_in_header) + sizeof(fuse_write_in);
constexpr int kWakeSignal = SIGUSR1;

// What libfuse reads into: 256 pages and a page for the headers up to 3.16; later ones follow the kernel's limit.
std::size_t receive_size() {
    std::size_t pages = 256;
    std::ifstream limit("/proc/sys/fs/fuse/max_pages_limit");
    std::size_t allowed = 0;
    if (limit >> allowed) pages = std::max(pages, allowed);
    return (pages + 1) * kPage;
}

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
    std::signal(SIGXFSZ, SIG_IGN); // the journal's write(2) says EFBIG then
}

Result<std::unique_ptr<Worker>> Worker::create(
    const std::vector<std::unique_ptr<Device>> &devices, fuse_session *session, Crew &crew) {
    Device &device = *devices.front(); // pinned for all devices
    Copiers copiers = TRY(Copiers::create(devices));
    PinnedBuffer receive = TRY(PinnedBuffer::create(device, receive_size() + kPage));
    PinnedBuffer reply = TRY(PinnedBuffer::create(device, receive_size()));
    return std::unique_ptr<Worker>(new Worker(session, crew, std::move(copiers), std::move(receive), std::move(reply)));
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
        ended();
    });
    ::pthread_sigmask(SIG_SETMASK, &before, nullptr);
}

void Worker::stop() {
    if (!thread_.joinable()) return;
    crew_.disband();
    // A signal that comes just before read(2) wakes nobody: so again, until it has.
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

Dialect *Worker::current_dialect() { return current_worker() == nullptr ? nullptr : &current_worker()->dialect_; }

void Worker::loop() {
    current_worker() = this;
    ::pthread_setname_np(::pthread_self(), "worker");
    while (!fuse_session_exited(session_)) {
        fuse_buf request = {};
        request.mem = receive_.bytes().data() + kPage - kHeader; // a write's data begins at a page
        crew_.join(member_);
        const int received = fuse_session_exited(session_) ? -EINTR : fuse_session_receive_buf(session_, &request);
        crew_.leave(member_);
        if (received > 0) {
            note_request({static_cast<const std::byte *>(request.mem), static_cast<std::size_t>(received)});
            dialect_.hear({static_cast<std::byte *>(request.mem), static_cast<std::size_t>(received)});
            fuse_session_process_buf(session_, &request);
        }
        crew_.done(member_);
        if (received > 0 || received == -EINTR || received == -EAGAIN) continue;
        if (received < 0) log(LogLevel::error, "fuse", Error{-received, 0, "receive request"}, "worker");
        break;
    }
    fuse_session_exit(session_);
    crew_.disband();
    current_worker() = nullptr;
}

} // namespace gmemfs
