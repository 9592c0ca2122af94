#include "block/process/child.hpp"

#include "block/process/worker.hpp"

#include <csignal>
#include <cstring>
#include <fcntl.h>
#include <poll.h>
#include <spawn.h>
#include <string>
#include <sys/socket.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <unistd.h>

namespace gmemfs::block {
namespace {

Result<pid_t> spawn(int socket) {
    posix_spawn_file_actions_t actions;
    ::posix_spawn_file_actions_init(&actions);
    ::posix_spawn_file_actions_adddup2(&actions, socket, kWorkerSocket);
    posix_spawnattr_t attributes;
    ::posix_spawnattr_init(&attributes);
    sigset_t none;
    ::sigemptyset(&none);
    ::posix_spawnattr_setsigmask(&attributes, &none); // the supervisor blocks what it reads from its signalfd
    ::posix_spawnattr_setflags(&attributes, POSIX_SPAWN_SETSIGMASK);
    std::string name = "gmemfs-block", work = "--work";
    char *arguments[] = {name.data(), work.data(), nullptr};
    pid_t pid = 0;
    const int code = ::posix_spawn(&pid, "/proc/self/exe", &actions, &attributes, arguments, environ);
    ::posix_spawn_file_actions_destroy(&actions);
    ::posix_spawnattr_destroy(&attributes);
    if (code != 0) return Error{code, 0, "start a worker"};
    return pid;
}

} // namespace

Result<Child> Child::start(const Setup &setup) {
    int ends[2];
    if (::socketpair(AF_UNIX, SOCK_SEQPACKET | SOCK_CLOEXEC, 0, ends) != 0)
        return Error{errno, 0, "start a worker", "make a socket"};
    Fd own(ends[0]);
    const Fd other(ends[1]);
    const pid_t pid = TRY(spawn(other.get()));
    Fd process(static_cast<int>(::syscall(SYS_pidfd_open, pid, 0)));
    const int code = errno;
    Child child(pid, std::move(process), std::move(own)); // from here on its destructor ends the process
    if (!child.process_) return Error{code, 0, "start a worker", "open its pidfd"};
    TRY(send_setup(child.socket(), setup));
    ::fcntl(child.socket(), F_SETFL, O_NONBLOCK); // a worker that doesn't read isn't waited for, see send_part()
    constexpr int kRoom = 1024 * 1024;            // or as much of it as the system allows
    ::setsockopt(child.socket(), SOL_SOCKET, SO_SNDBUF, &kRoom, sizeof kRoom);
    return child;
}

Child::Child(Child &&other) noexcept
    : pid_(std::exchange(other.pid_, 0)), process_(std::move(other.process_)), socket_(std::move(other.socket_)),
      state_(other.state_) {}

Child &Child::operator=(Child &&other) noexcept {
    if (this == &other) return *this;
    end();
    pid_ = std::exchange(other.pid_, 0);
    process_ = std::move(other.process_);
    socket_ = std::move(other.socket_);
    state_ = other.state_;
    return *this;
}

void Child::end() {
    if (pid_ == 0) return;
    ::kill(pid_, SIGKILL);
    while (::waitpid(pid_, nullptr, 0) < 0 && errno == EINTR) {}
    pid_ = 0;
}

void Child::wait(std::chrono::milliseconds patience) {
    pollfd ended = {process_.get(), POLLIN, 0};
    (void)::poll(&ended, 1, static_cast<int>(patience.count()));
    end();
}

Result<void> Child::tell(Signal::Kind kind, std::span<const int> fds) {
    TRY(send_signal(socket_.get(), make_signal(kind), fds));
    if (kind != Signal::Kind::stop) state_ = State::told;
    return {};
}

Result<Signal> Child::hear() {
    ReceivedSignal received = {};
    TRY(receive_signal(socket_.get(), received));
    const Signal &signal = received.signal;
    if (signal.kind == Signal::Kind::failed)
        return Error{signal.code == 0 ? EIO : signal.code, 0, "serve the disk", signal.text.data()};
    if (signal.kind == Signal::Kind::warm) state_ = State::warm;
    if (signal.kind == Signal::Kind::serving) state_ = State::serving;
    return signal;
}

} // namespace gmemfs::block
