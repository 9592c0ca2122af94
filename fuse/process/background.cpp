#include "fuse/process/background.hpp"

#include "vmm/base/all_bytes.hpp"

#include <cstdio>
#include <fcntl.h>
#include <sys/wait.h>
#include <unistd.h>

namespace gmemfs {
namespace {

constexpr char kReady = '\0';
constexpr int kFailure = 1;

// What the second process says, until it closes the pipe.
std::string listen(const Fd &pipe) {
    std::string said;
    char bytes[512];
    while (true) {
        const ssize_t count = ::read(pipe.get(), bytes, sizeof bytes);
        if (count < 0 && errno == EINTR) continue;
        if (count <= 0) return said;
        said.append(bytes, static_cast<std::size_t>(count));
        if (said.back() == kReady) return said;
    }
}

// Where nobody listens any more there is nobody to tell.
void tell(const Fd &pipe, const std::string &text) {
    (void)write_all(pipe.get(), std::as_bytes(std::span(text)), never);
}

} // namespace

Result<Background::Side> Background::fork() {
    int ends[2] = {};
    if (::pipe2(ends, O_CLOEXEC) != 0) return Error{errno, 0, "go to the background"};
    Fd reader(ends[0]);
    Fd writer(ends[1]);
    std::fflush(nullptr);
    const pid_t pid = ::fork();
    if (pid < 0) return Error{errno, 0, "go to the background"};
    if (pid == 0) {
        ::setsid();
        return Side{Background(std::move(writer)), 0};
    }
    writer.reset();
    const std::string said = listen(reader);
    if (!said.empty() && said.back() == kReady) return Side{std::nullopt, 0};
    if (said.empty()) {
        int status = 0;
        ::waitpid(pid, &status, 0);
        std::fprintf(stderr, "gmemfs: mount: the server ended before the mount answered (%s %d)\n",
            WIFSIGNALED(status) ? "signal" : "status", WIFSIGNALED(status) ? WTERMSIG(status) : WEXITSTATUS(status));
    } else {
        std::fputs(said.c_str(), stderr);
    }
    return Side{std::nullopt, kFailure};
}

void Background::ready() {
    if (!pipe_) return;
    detach_from_terminal();
    tell(pipe_, std::string(1, kReady));
    pipe_.reset();
}

void Background::fail(const std::string &line) {
    tell(pipe_, line);
    pipe_.reset();
}

void detach_from_terminal() {
    // A process that waits for the end of the command's output waits no longer.
    const Fd null(::open("/dev/null", O_RDWR | O_CLOEXEC));
    for (const int standard : {STDIN_FILENO, STDOUT_FILENO, STDERR_FILENO}) ::dup2(null.get(), standard);
}

} // namespace gmemfs
