#include "tests/conformance/child.hpp"

#include <gtest/gtest.h>

#include <csignal>
#include <cstring>
#include <poll.h>
#include <spawn.h>
#include <sys/socket.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <unistd.h>

namespace gmemfs::conformance {
namespace {

constexpr timeval kPatience = {30, 0};

std::string &driver_library() {
    static auto *const only = new std::string;
    return *only;
}

std::vector<char *> pointers(std::vector<std::string> &words) {
    std::vector<char *> all;
    all.reserve(words.size() + 1);
    for (std::string &word : words) all.push_back(word.data());
    all.push_back(nullptr);
    return all;
}

std::vector<std::string> environment_with(const Child::Words &added) {
    std::vector<std::string> all;
    for (char **line = ::environ; *line != nullptr; ++line) {
        const std::string old = *line;
        bool is_replaced = false;
        for (const std::string &word : added)
            is_replaced = is_replaced || word.substr(0, word.find('=')) == old.substr(0, old.find('='));
        if (!is_replaced) all.push_back(old);
    }
    all.insert(all.end(), added.begin(), added.end());
    return all;
}

} // namespace

void set_program(const std::string &library) { driver_library() = library; }

bool send(int socket, const Message &message, const Fd *fd) {
    const std::span<const std::byte> bytes = std::as_bytes(std::span(&message, 1));
    return bool(send_with_fds(socket, bytes, {&fd, fd == nullptr ? std::size_t(0) : std::size_t(1)}));
}

bool receive(int socket, Message &message, Fd *fd) {
    std::span<std::byte> left = std::as_writable_bytes(std::span(&message, 1));
    while (!left.empty()) {
        Result<Received> part = receive_message(socket, left);
        if (!part || part->size == 0) return false;
        left = left.subspan(part->size);
        if (fd != nullptr && !part->fds.empty()) *fd = std::move(part->fds.front());
    }
    return true;
}

Child::Child(const std::string &role, const Words &arguments, const Words &environment) : role_(role) {
    int ends[2] = {-1, -1};
    if (::socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0, ends) != 0) std::abort();
    socket_ = Fd(ends[0]);
    const Fd theirs(ends[1]);
    ::setsockopt(socket_.get(), SOL_SOCKET, SO_RCVTIMEO, &kPatience, sizeof kPatience);
    std::vector<std::string> words = {"conformance-tests", "--driver=" + driver_library(), "--role=" + role};
    words.insert(words.end(), arguments.begin(), arguments.end());
    std::vector<std::string> lines = environment_with(environment);
    posix_spawn_file_actions_t actions;
    ::posix_spawn_file_actions_init(&actions);
    ::posix_spawn_file_actions_adddup2(&actions, theirs.get(), kChildSocket);
    const int error =
        ::posix_spawn(&pid_, "/proc/self/exe", &actions, nullptr, pointers(words).data(), pointers(lines).data());
    ::posix_spawn_file_actions_destroy(&actions);
    if (error != 0) {
        pid_ = -1;
        ADD_FAILURE() << "cannot start a child: " << std::strerror(error);
    }
}

Child::~Child() { kill(); }

Message Child::receive(Fd *fd) {
    Message message;
    if (!conformance::receive(socket_.get(), message, fd))
        ADD_FAILURE() << "no answer from the child '" << role_ << "'";
    return message;
}

void Child::send(const Message &message, const Fd *fd) {
    if (!conformance::send(socket_.get(), message, fd)) ADD_FAILURE() << "the child '" << role_ << "' is gone";
}

void Child::kill() {
    if (pid_ <= 0) return;
    ::kill(pid_, SIGKILL);
    ::waitpid(pid_, nullptr, 0);
    pid_ = -1;
}

int Child::finish() {
    socket_.reset();
    if (pid_ <= 0) return -1;
    const Fd process(static_cast<int>(::syscall(SYS_pidfd_open, pid_, 0))); // which glibc 2.36 declares for C only
    pollfd ended = {process.get(), POLLIN, 0};
    if (::poll(&ended, 1, int(kPatience.tv_sec) * 1000) != 1) {
        ADD_FAILURE() << "the child '" << role_ << "' doesn't end";
        kill();
        return -1;
    }
    int status = 0;
    ::waitpid(pid_, &status, 0);
    pid_ = -1;
    return WIFSIGNALED(status) ? 128 + WTERMSIG(status) : WEXITSTATUS(status);
}

} // namespace gmemfs::conformance
