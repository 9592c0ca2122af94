#include "fuse/session/worker.hpp"

#include "fuse/host/log.hpp"

#include <linux/fuse.h>

#include <array>
#include <cerrno>
#include <csignal>
#include <cstddef>
#include <cstring>
#include <pthread.h>
#include <unistd.h>
#ifdef __SANITIZE_THREAD__
#include <sanitizer/tsan_interface.h>
#endif

namespace gmemfs {
namespace {

// What one worker has answered, another may be asked because of; in between is the kernel, which ThreadSanitizer
// doesn't see.
enum class Order { answered, asked };
#ifdef __SANITIZE_THREAD__
void tell_sanitizer(Order order) {
    static char between;
    if (order == Order::answered)
        __tsan_release(&between);
    else
        __tsan_acquire(&between);
}
#else
void tell_sanitizer(Order) {}
#endif

constexpr int kWakeSignal = SIGUSR1;

} // namespace

void install_wake_signal() {
    struct sigaction action = {};
    action.sa_handler = [](int) {};
    ::sigaction(kWakeSignal, &action, nullptr); // no SA_RESTART: read(2) is to return EINTR
    std::signal(SIGPIPE, SIG_IGN);
    std::signal(SIGXFSZ, SIG_IGN); // the journal's fallocate(2) says EFBIG then
}

Result<std::unique_ptr<Worker>> Worker::create(const std::vector<std::unique_ptr<Device>> &devices, Session &session,
    Handshake &handshake, std::unique_ptr<RequestSource> source) {
    Copiers copiers = TRY(Copiers::create(devices));
    return std::unique_ptr<Worker>(new Worker(session, handshake, std::move(copiers), std::move(source)));
}

void Worker::start(Greeted greeted, std::function<void()> ended) {
    greeted_ = std::move(greeted);
    // Signals are the main thread's; this one is woken by kWakeSignal alone.
    sigset_t all = {};
    sigset_t before = {};
    sigfillset(&all);
    sigdelset(&all, kWakeSignal);
    ::pthread_sigmask(SIG_SETMASK, &all, &before);
    thread_ = std::thread([this, ended = std::move(ended)] {
        loop();
        has_ended_ = true;
        if (session_.has_ended()) ended();
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

void Worker::note_request(std::span<const std::byte> request) {
    std::memcpy(&request_, request.data() + offsetof(fuse_in_header, unique), sizeof request_);
    std::memcpy(&caller_, request.data() + offsetof(fuse_in_header, pid), sizeof caller_);
    is_answered_ = false;
}

bool Worker::answer(int code, std::initializer_list<iovec> body) {
    std::array<iovec, 3> parts; // not cleared: it is done for each request
    GMEMFS_ASSERT(body.size() < parts.size());
    fuse_out_header header = {sizeof header, -code, request_};
    std::size_t count = 0;
    parts[count++] = {&header, sizeof header};
    for (const iovec &part : body) {
        header.len += static_cast<std::uint32_t>(part.iov_len);
        parts[count++] = part;
    }
    is_answered_ = true;
    tell_sanitizer(Order::answered);
    return source_->answer(std::span(parts).first(count));
}

// No operation has answered: libfuse has, which knows none for this request, or refuses it, or it is the handshake.
void Worker::pass_on_answer() {
    std::vector<std::byte> own = session_.take_answer(request_);
    fuse_out_header header = {};
    if (own.size() < sizeof header) {
        log(LogLevel::error, "fuse", "BUG: nobody has answered a request");
        (void)answer(EIO, {});
        return;
    }
    std::memcpy(&header, own.data(), sizeof header);
    const std::span<std::byte> body = std::span(own).subspan(sizeof header);
    const std::optional<Transport> agreed = dialect_.greet(body);
    (void)answer(-header.error, {{body.data(), body.size()}});
    if (agreed) dialect_.greeted(*agreed);
}

Result<void> Worker::serve() {
    if (!TRY(source_->begin())) return {};
    while (true) {
        const std::span<std::byte> request = TRY(source_->receive());
        if (request.empty()) continue;
        tell_sanitizer(Order::asked);
        note_request(request);
        dialect_.hear(request);
        if (dialect_.is_handshake()) greeted_(request);
        // No operation can be broken off half-way. Where it hears that, the kernel interrupts no more.
        if (dialect_.is_interrupt()) (void)answer(ENOSYS, {});
        if (!is_answered_) session_.parse(request);
        if (!is_answered_) pass_on_answer();
        source_->done();
    }
}

void Worker::loop() {
    current_ = this;
    ::pthread_setname_np(::pthread_self(), "worker");
    const Result<void> served = serve();
    if (!served) {
        if (served.error().code != ENODEV) {
            log(LogLevel::error, "fuse", served.error(), "worker");
            failure_ = served.error();
        }
        session_.end();
        source_->end();
    }
    current_ = nullptr;
}

} // namespace gmemfs
