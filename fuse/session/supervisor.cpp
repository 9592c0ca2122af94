#include "fuse/session/supervisor.hpp"

#include "fuse/host/log.hpp"
#include "fuse/host/settings.hpp"

#include <linux/fuse.h>

#include <cerrno>
#include <chrono>
#include <climits>
#include <csignal>
#include <cstring>
#include <fcntl.h>
#include <optional>
#include <poll.h>
#include <sys/signalfd.h>
#include <sys/socket.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <unistd.h>

namespace gmemfs {
namespace {

using Clock = std::chrono::steady_clock;

constexpr int kFailure = 1;
constexpr int kServerSocket = 3; // in the server: the first after the standard ones
constexpr std::size_t kMessageMax = 4096;
// A server that dies as soon as it has begun, or can't begin, is no accident: the next one would die of the same
// request, or of the same broken card. One that dies while it recovers, or as soon as it serves, may have been killed,
// again and again; or starting takes long here, and the request that is asked again kills it. So both come to an end,
// the one after 5 servers in a row and the other after 50, and one that has served for a while begins the count anew.
constexpr unsigned kEarlyDeathsMax = 5;
constexpr unsigned kUnservedMax = 50;
constexpr std::chrono::milliseconds kEarly(200);

enum class Kind : std::uint32_t { start = 1, ready, failed, channel, unmounted, mounted_again, aborted, log_moved };

struct Message {
    Kind kind = Kind::start;
    std::uint32_t generation = 0;
    std::vector<std::byte> bytes = {};
    Fd fd = {};
};

// Sends one packet. An error is ignored: the other side is gone.
void send(const Fd &socket, Kind kind, std::uint32_t generation, std::span<const std::byte> bytes, const Fd &fd) {
    std::vector<std::byte> packet(2 * sizeof(std::uint32_t));
    std::memcpy(packet.data(), &kind, sizeof kind);
    std::memcpy(packet.data() + sizeof kind, &generation, sizeof generation);
    const std::span<const std::byte> part = bytes.first(std::min(bytes.size(), kMessageMax));
    packet.insert(packet.end(), part.begin(), part.end());
    const Fd *const passed[] = {&fd};
    (void)send_with_fds(socket.get(), packet, std::span(passed, fd ? 1 : 0));
}

Result<Message> receive(const Fd &socket) {
    std::vector<std::byte> packet(kMessageMax + 64);
    Result<Received> received = receive_message(socket.get(), packet);
    if (!received) return Error{received.error().code, 0, "hear from the supervisor"};
    Message message;
    if (!received->fds.empty()) message.fd = std::move(received->fds.front());
    constexpr std::size_t kHead = sizeof message.kind + sizeof message.generation;
    if (received->size < kHead) return Error{EPROTO, 0, "hear from the supervisor"};
    std::memcpy(&message.kind, packet.data(), sizeof message.kind);
    std::memcpy(&message.generation, packet.data() + sizeof message.kind, sizeof message.generation);
    message.bytes.assign(packet.begin() + kHead, packet.begin() + static_cast<std::ptrdiff_t>(received->size));
    return message;
}

// FUSE_HAS_RESEND, which older headers lack: bit 39, and so bit 7 of the second word of flags.
bool can_resend(std::span<const std::byte> greeting) {
    constexpr std::uint32_t kHasMoreFlags = 1U << 30;
    constexpr std::uint32_t kHasResend = 1U << 7;
    struct {
        std::uint32_t major, minor, max_readahead, flags, flags2;
    } said = {};
    if (greeting.size() < sizeof(fuse_in_header) + sizeof said) return false;
    std::memcpy(&said, greeting.data() + sizeof(fuse_in_header), sizeof said);
    return (said.flags & kHasMoreFlags) != 0 && (said.flags2 & kHasResend) != 0;
}

// The program's path, as it is now: an upgrade puts another file there. The file itself where there is none.
std::string program_path() {
    char path[PATH_MAX] = {};
    const ssize_t size = ::readlink("/proc/self/exe", path, sizeof path - 1);
    std::string text(path, static_cast<std::size_t>(std::max<ssize_t>(size, 0)));
    constexpr std::string_view kDeleted = " (deleted)";
    if (text.ends_with(kDeleted)) text.resize(text.size() - kDeleted.size());
    return ::access(text.c_str(), X_OK) == 0 ? text : "/proc/self/exe";
}

// The process that is never seen to do anything. Not thread-safe.
class Supervisor {
public:
    Supervisor(const Options &options, Background &background) : options_(options), background_(background) {
        sigset_t waited = {};
        sigemptyset(&waited);
        for (const int number : {SIGTERM, SIGINT, SIGHUP, SIGUSR2}) sigaddset(&waited, number);
        ::sigprocmask(SIG_BLOCK, &waited, &before_);
        signals_ = Fd(::signalfd(-1, &waited, SFD_CLOEXEC));
    }

    int run() {
        while (true) {
            const Result<int> status = serve_once();
            if (!status) {
                log(LogLevel::error, "supervisor", status.error(), options_.mount_point);
                return kFailure;
            }
            if (WIFEXITED(*status) && WEXITSTATUS(*status) == 0) return 0;
            if (!has_begun_) return kFailure; // it has said why
            if (WIFEXITED(*status) && WEXITSTATUS(*status) == kKept) return kFailure;
            if (WIFEXITED(*status) && WEXITSTATUS(*status) == kGoAgain) continue;
            if (WIFEXITED(*status) && WEXITSTATUS(*status) == kDeviceLost) {
                if (may_lose_device()) continue;
                return kFailure;
            }
            const std::string how = WIFSIGNALED(*status) ? "by signal " + std::to_string(WTERMSIG(*status))
                                                         : "with status " + std::to_string(WEXITSTATUS(*status));
            if (!may_try_again()) {
                log(LogLevel::error, "supervisor",
                    "the server of " + options_.mount_point + " ended " + how +
                        ", as those before it did before they had served for a while: no more. The keeper has the "
                        "files: `gmemfs mount` tries again");
                return kFailure;
            }
            log(LogLevel::warning, "supervisor",
                "the server of " + options_.mount_point + " ended " + how + ": starting another one");
        }
    }

private:
    bool may_try_again() {
        const Clock::time_point now = Clock::now();
        const bool is_early = has_refused_ || now - started_at_ < kEarly;
        const bool has_served = !has_refused_ && ready_at_ && now - *ready_at_ >= kEarly;
        early_deaths_ = is_early ? early_deaths_ + 1 : 0;
        unserved_ = has_served ? 0 : unserved_ + 1;
        return early_deaths_ < kEarlyDeathsMax && unserved_ < kUnservedMax;
    }

    // The server has said what the error was.
    bool may_lose_device() {
        const Clock::time_point now = Clock::now();
        const bool is_again = lost_at_ && now - *lost_at_ < kLossesApart;
        lost_at_ = now;
        if (is_again)
            log(LogLevel::error, "supervisor",
                "the server of " + options_.mount_point + " has lost its device again within " +
                    std::to_string(kLossesApart.count()) +
                    " s: no more. The keeper has the files: see what `gmemfs doctor` and the kernel's log say of the "
                    "device; then `gmemfs mount` tries again");
        else
            log(LogLevel::warning, "supervisor",
                "the server of " + options_.mount_point + " has lost its device: starting another one, once");
        return !is_again;
    }

    Result<pid_t> start(Fd &socket) {
        int ends[2] = {};
        if (::socketpair(AF_UNIX, SOCK_SEQPACKET | SOCK_CLOEXEC, 0, ends) != 0)
            return Error{errno, 0, "start a server"};
        socket = Fd(ends[0]);
        const Fd theirs(ends[1]);
        const std::string program = program_path();
        std::vector<std::string> words = to_arguments(options_);
        words.insert(words.begin() + 1, "--supervisor=" + std::to_string(kServerSocket));
        std::vector<char *> pointers = {const_cast<char *>("gmemfs")};
        for (std::string &word : words) pointers.push_back(word.data());
        pointers.push_back(nullptr);
        const pid_t pid = ::fork();
        if (pid < 0) return Error{errno, 0, "start a server"};
        if (pid == 0) {
            ::sigprocmask(SIG_SETMASK, &before_, nullptr);
            // dup2 onto itself would leave the flag that closes it.
            if (theirs.get() == kServerSocket)
                ::fcntl(kServerSocket, F_SETFD, 0);
            else
                ::dup2(theirs.get(), kServerSocket);
            ::execv(program.c_str(), pointers.data());
            ::_exit(127);
        }
        started_at_ = Clock::now();
        ready_at_.reset();
        has_refused_ = false;
        ++generation_;
        send(socket, Kind::start, generation_, greeting_, channel_);
        return pid;
    }

    // A server from its start to its end: its status, as waitpid(2) has it.
    Result<int> serve_once() {
        Fd socket;
        server_ = TRY(start(socket));
        const Fd ended(static_cast<int>(::syscall(SYS_pidfd_open, server_, 0)));
        while (true) {
            pollfd waited[] = {{socket.get(), POLLIN, 0}, {ended.get(), POLLIN, 0}, {signals_.get(), POLLIN, 0}};
            if (::poll(waited, std::size(waited), -1) < 0 && errno != EINTR)
                return Error{errno, 0, "wait for the server"};
            if ((waited[0].revents & POLLIN) != 0 && take_message(socket)) continue; // all that it said before it ended
            if (waited[2].revents != 0) pass_on_signal();
            if (waited[1].revents == 0) continue;
            int status = 0;
            if (::waitpid(server_, &status, 0) != server_) return Error{errno, 0, "wait for the server"};
            return status;
        }
    }

    bool take_message(const Fd &socket) {
        Result<Message> message = receive(socket);
        if (!message) return false; // it has closed its end
        const std::string text(reinterpret_cast<const char *>(message->bytes.data()), message->bytes.size());
        switch (message->kind) {
        case Kind::ready:
            if (!has_begun_) background_.ready();
            has_begun_ = true;
            ready_at_ = Clock::now();
            if (must_end_) ::kill(server_, SIGTERM);
            break;
        case Kind::failed:
            has_refused_ = true;
            if (has_begun_)
                log(LogLevel::error, "supervisor", text);
            else
                background_.fail(text);
            break;
        case Kind::channel:
            if (!can_resend(message->bytes)) break; // closed: without us the mount dies with the server, as it must
            channel_ = std::move(message->fd);
            greeting_ = std::move(message->bytes);
            break;
        case Kind::unmounted:
            channel_.reset();
            greeting_.clear();
            must_end_ = true;
            break;
        case Kind::aborted:
            channel_.reset();
            greeting_.clear();
            break;
        case Kind::mounted_again: must_end_ = false; break;
        case Kind::log_moved: reopen_log(); break;
        case Kind::start: break;
        }
        return true;
    }

    // SIGTERM and SIGINT mean the mount; SIGUSR2 the server; SIGHUP the log.
    void pass_on_signal() {
        signalfd_siginfo info = {};
        if (::read(signals_.get(), &info, sizeof info) != sizeof info) return;
        if (info.ssi_signo == SIGHUP) {
            ::kill(server_, SIGHUP);
            return reopen_log();
        }
        const bool is_for_server = info.ssi_signo == SIGUSR2;
        must_end_ = must_end_ || !is_for_server;
        ::kill(server_, is_for_server ? SIGUSR2 : SIGTERM);
    }

    const Options &options_;
    Background &background_;
    sigset_t before_ = {};
    Fd signals_;
    pid_t server_ = -1;
    bool has_begun_ = false;
    bool must_end_ = false; // the mount is to end: so is a server that begins because the last one died of it
    std::uint16_t generation_ = 0;
    Fd channel_;
    std::vector<std::byte> greeting_;
    Clock::time_point started_at_;              // the server that runs
    std::optional<Clock::time_point> ready_at_; // and when it began to serve
    bool has_refused_ = false;                  // it has said why it can't start
    unsigned early_deaths_ = 0;                 // in a row
    unsigned unserved_ = 0;                     // servers in a row that haven't served for a while
    std::optional<Clock::time_point> lost_at_;  // when a server ended with kDeviceLost
};

} // namespace

Result<SupervisorLink> SupervisorLink::open(int fd) {
    SupervisorLink link((Fd(fd)));
    ::fcntl(fd, F_SETFD, FD_CLOEXEC);
    Message message = TRY(receive(link.socket_));
    if (message.kind != Kind::start) return Error{EPROTO, 0, "hear from the supervisor"};
    link.generation_ = static_cast<std::uint16_t>(message.generation);
    link.channel_ = std::move(message.fd);
    link.greeting_ = std::move(message.bytes);
    return link;
}

void SupervisorLink::ready() const {
    detach_from_terminal();
    send(socket_, Kind::ready, 0, {}, {});
}

void SupervisorLink::fail(const std::string &line) const {
    send(socket_, Kind::failed, 0, std::as_bytes(std::span(line)), {});
}

void SupervisorLink::unmounted() const { send(socket_, Kind::unmounted, 0, {}, {}); }

void SupervisorLink::aborted() const { send(socket_, Kind::aborted, 0, {}, {}); }

void SupervisorLink::log_moved() const { send(socket_, Kind::log_moved, 0, {}, {}); }

void SupervisorLink::mounted_again() const { send(socket_, Kind::mounted_again, 0, {}, {}); }

void SupervisorLink::hand_over(int channel, std::span<const std::byte> greeting) const {
    const Fd copy(::fcntl(channel, F_DUPFD_CLOEXEC, 0));
    if (copy) send(socket_, Kind::channel, 0, greeting, copy);
}

int supervise(const Options &options, Background &background) { return Supervisor(options, background).run(); }

} // namespace gmemfs
