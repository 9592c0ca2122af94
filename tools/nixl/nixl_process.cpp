#include "tools/nixl/nixl_process.hpp"

#include "tools/nixl/body.hpp"
#include "tools/nixl/message.hpp"

#include <algorithm>
#include <chrono>
#include <csignal>
#include <cstring>
#include <poll.h>
#include <spawn.h>
#include <sys/socket.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <unistd.h>

namespace gmemfs {
namespace {

constexpr int kTickMs = 50;
constexpr int kStartMs = 30000;   // NIXL's start, on a machine with many networks
constexpr int kSilentMs = 120000; // a helper that says nothing for so long hangs; sealing a file is silent, too
constexpr int kCancelMs = 2000;
constexpr int kEndMs = 500;

const char *name_of(NixlSettings::Memory memory) {
    switch (memory) {
    case NixlSettings::Memory::device: return "--memory=device";
    case NixlSettings::Memory::staging: return "--memory=staging";
    case NixlSettings::Memory::automatic: break;
    }
    return nullptr; // as $GMEMFS_NIXL_MEMORY has it
}

// `socket` becomes the child's standard input. Its standard output goes where its standard error goes.
Result<pid_t> spawn(const std::string &program, NixlProcess::Role role, const NixlSettings &settings, int socket) {
    const char *const role_name = role == NixlProcess::Role::source ? "--source" : "--target";
    const char *const words[] = {"gmemfs", "nixl", role_name, name_of(settings.memory), nullptr};
    posix_spawn_file_actions_t actions;
    ::posix_spawn_file_actions_init(&actions);
    ::posix_spawn_file_actions_adddup2(&actions, socket, STDIN_FILENO);
    ::posix_spawn_file_actions_adddup2(&actions, STDERR_FILENO, STDOUT_FILENO);
    posix_spawnattr_t attributes;
    ::posix_spawnattr_init(&attributes);
    sigset_t handled;
    ::sigemptyset(&handled);
    ::sigaddset(&handled, SIGPIPE);
    ::posix_spawnattr_setsigdefault(&attributes, &handled);
    // A group of its own: ^C is for the caller, which cancels.
    ::posix_spawnattr_setflags(&attributes, POSIX_SPAWN_SETSIGDEF | POSIX_SPAWN_SETPGROUP);
    pid_t child = -1;
    const int code = ::posix_spawn(&child, program.c_str(), &actions, &attributes, const_cast<char **>(words), environ);
    ::posix_spawnattr_destroy(&attributes);
    ::posix_spawn_file_actions_destroy(&actions);
    if (code != 0) return Error{code, 0, "start NIXL's helper", program};
    return child;
}

NixlRequest request_of(NixlRequest::Kind kind, std::uint32_t file) {
    NixlRequest request;
    request.kind = kind;
    request.file = file;
    return request;
}

} // namespace

struct NixlProcess::Answer {
    NixlAnswer value;
};

Result<std::unique_ptr<NixlProcess>> NixlProcess::start(Role role, const NixlSettings &settings) {
    int ends[2] = {};
    if (::socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0, ends) != 0)
        return Error{errno, 0, "start NIXL's helper", {}};
    Fd own(ends[0]), its(ends[1]);
    const pid_t child = TRY(spawn(settings.program, role, settings, its.get()));
    std::unique_ptr<NixlProcess> helper(new NixlProcess(child, std::move(own)));
    its.reset();
    const Result<Answer> ready = helper->ask({}, nullptr, kStartMs);
    if (!ready) return Error(ready.error());
    return helper;
}

// Sends the request, where there is one, and waits for its answer.
Result<NixlProcess::Answer> NixlProcess::ask(std::span<const std::byte> request, const Watch &watch, int timeout_ms) {
    using Clock = std::chrono::steady_clock;
    if (!socket_) return Error{EPIPE, 0, "talk to NIXL's helper", "it has ended"};
    if (!request.empty())
        if (const Result<void> sent = send_body(socket_.get(), request); !sent) return explain(sent.error());
    Clock::time_point heard = Clock::now();
    std::uint64_t bytes = 0;
    bool is_cancelled = false;
    for (;;) {
        const Result<std::vector<std::byte>> body = receive_body(socket_.get(), kTickMs);
        if (!body && body.error().code != ETIMEDOUT) return explain(body.error());
        if (body) {
            heard = Clock::now();
            const Result<NixlAnswer> answer = decode_nixl_answer(*body);
            if (!answer) return explain(answer.error());
            if (answer->kind == NixlAnswer::Kind::failed) return Error{answer->code, 0, "NIXL", answer->text};
            if (answer->kind != NixlAnswer::Kind::moved) return Answer{*answer};
            bytes = answer->bytes;
        }
        if (watch && !is_cancelled && !watch(bytes)) {
            is_cancelled = true;
            timeout_ms = kCancelMs;
            const Result<void> sent = send_body(socket_.get(), encode(request_of(NixlRequest::Kind::cancel, 0)));
            if (!sent) return explain(sent.error());
        }
        if (Clock::now() - heard > std::chrono::milliseconds(timeout_ms))
            return explain({ETIMEDOUT, 0, "wait for NIXL's helper", "it hangs"});
    }
}

// Says how the helper has ended, which is final.
Error NixlProcess::explain(Error error) {
    socket_.reset();
    const Fd process(static_cast<int>(::syscall(SYS_pidfd_open, child_, 0)));
    pollfd ended = {process.get(), POLLIN, 0};
    if (process) (void)::poll(&ended, 1, kEndMs);
    int status = 0;
    if (::waitpid(child_, &status, WNOHANG) == child_)
        child_ = -1;
    else
        return error;
    std::string how = "it ended with status " + std::to_string(WEXITSTATUS(status));
    if (WIFSIGNALED(status)) how = std::string("it was killed (") + ::strsignal(WTERMSIG(status)) + ")";
    return {error.code == ETIMEDOUT ? ETIMEDOUT : EPIPE, 0, "talk to NIXL's helper", how};
}

NixlProcess::~NixlProcess() {
    socket_.reset(); // its other end ends the process
    if (child_ < 0) return;
    const Fd process(static_cast<int>(::syscall(SYS_pidfd_open, child_, 0)));
    pollfd ended = {process.get(), POLLIN, 0};
    if (!process || ::poll(&ended, 1, kEndMs) <= 0) ::kill(child_, SIGKILL);
    (void)::waitpid(child_, nullptr, 0);
}

Result<std::vector<std::byte>> NixlProcess::expect(std::uint32_t file, const std::string &path, std::uint64_t size) {
    NixlRequest request = request_of(NixlRequest::Kind::expect, file);
    request.path = path;
    request.size = size;
    Answer answer = TRY(ask(encode(request), nullptr, kSilentMs));
    memory_says_ = answer.value.memory;
    return std::move(answer.value.says);
}

Result<void> NixlProcess::finish(std::uint32_t file, const Watch &watch) {
    TRY(ask(encode(request_of(NixlRequest::Kind::finish, file)), watch, kSilentMs));
    return {};
}

Result<void> NixlProcess::send(std::uint32_t file, const std::string &path, std::span<const ByteRange> ranges,
    std::span<const std::byte> target, const Watch &watch) {
    if (ranges.size() > kNixlRangesMost || target.size() > kNixlTargetMost)
        return Error{EINVAL, 0, "send a file by NIXL", "too many ranges"};
    NixlRequest request = request_of(NixlRequest::Kind::send, file);
    request.path = path;
    request.ranges.assign(ranges.begin(), ranges.end());
    request.target.assign(target.begin(), target.end());
    const Answer answer = TRY(ask(encode(request), watch, kSilentMs));
    memory_says_ = answer.value.memory;
    return {};
}

Result<void> NixlProcess::close(std::uint32_t file) {
    TRY(ask(encode(request_of(NixlRequest::Kind::close, file)), nullptr, kSilentMs));
    return {};
}

} // namespace gmemfs
