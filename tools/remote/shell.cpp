#include "tools/remote/shell.hpp"

#include <csignal>
#include <cstring>
#include <fcntl.h>
#include <glib.h>
#include <poll.h>
#include <spawn.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <unistd.h>

namespace gmemfs {
namespace {

constexpr int kEndMs = 1000;
constexpr int kPipeSize = 1 << 20; // where the kernel lets a user have it: a frame of data at a time

Result<std::vector<std::string>> split(const std::string &command) {
    int count = 0;
    gchar **words = nullptr;
    GError *error = nullptr;
    if (g_shell_parse_argv(command.c_str(), &count, &words, &error) == FALSE) {
        const std::string why = error->message;
        g_error_free(error);
        return Error{EINVAL, 0, "-e", command + ": " + why};
    }
    std::vector<std::string> split(words, words + count);
    g_strfreev(words);
    return split;
}

struct Pipe {
    Fd reader, writer;
};

Result<Pipe> make_pipe() {
    int ends[2] = {};
    if (::pipe2(ends, O_CLOEXEC) != 0) return Error{errno, 0, "make a pipe", {}};
    (void)::fcntl(ends[1], F_SETPIPE_SZ, kPipeSize);
    return Pipe{Fd(ends[0]), Fd(ends[1])};
}

// `in` and `out` become the child's standard input and output. Its standard error is this process's, for ssh's own
// messages; so is its terminal, for ssh's questions.
Result<pid_t> spawn(const std::vector<std::string> &words, int in, int out) {
    std::vector<char *> arguments;
    for (const std::string &word : words) arguments.push_back(const_cast<char *>(word.c_str()));
    arguments.push_back(nullptr);
    posix_spawn_file_actions_t actions;
    ::posix_spawn_file_actions_init(&actions);
    ::posix_spawn_file_actions_adddup2(&actions, in, STDIN_FILENO);
    ::posix_spawn_file_actions_adddup2(&actions, out, STDOUT_FILENO);
    posix_spawnattr_t attributes;
    ::posix_spawnattr_init(&attributes);
    sigset_t handled;
    ::sigemptyset(&handled);
    ::sigaddset(&handled, SIGPIPE); // this process ignores it
    ::posix_spawnattr_setsigdefault(&attributes, &handled);
    ::posix_spawnattr_setflags(&attributes, POSIX_SPAWN_SETSIGDEF);
    pid_t child = -1;
    const int code = ::posix_spawnp(&child, arguments[0], &actions, &attributes, arguments.data(), environ);
    ::posix_spawnattr_destroy(&attributes);
    ::posix_spawn_file_actions_destroy(&actions);
    if (code != 0) return Error{code, 0, "start", words.front() + ": is it installed?"};
    return child;
}

} // namespace

Result<RemotePath> parse_remote_path(const std::string &text) {
    const bool is_quoted = text.starts_with('[');
    const std::size_t end = is_quoted ? text.find("]:") : text.find(':');
    const std::size_t slash = text.find('/');
    const bool has_host = end != std::string::npos && end > (is_quoted ? 1U : 0U) && end < slash;
    const std::size_t path_at = end + (is_quoted ? 2 : 1);
    if (!has_host || path_at >= text.size()) return Error{EINVAL, 0, "read HOST:PATH", text};
    // A host that begins with a dash would be an option of ssh's.
    RemotePath path = {text.substr(is_quoted ? 1 : 0, end - (is_quoted ? 1 : 0)), text.substr(path_at)};
    if (path.host.starts_with('-')) return Error{EINVAL, 0, "read HOST:PATH", text + ": no host's name begins so"};
    return path;
}

Result<std::unique_ptr<RemoteShell>> RemoteShell::start(
    const ShellSettings &settings, const std::string &host, const std::vector<std::string> &words) {
    std::vector<std::string> line = TRY(split(settings.command));
    line.push_back(host);
    line.push_back(settings.program);
    line.insert(line.end(), words.begin(), words.end());
    std::string what;
    for (const std::string &word : line) what += (what.empty() ? "" : " ") + word;
    ::signal(SIGPIPE, SIG_IGN); // its end is an error of write(2)
    Pipe to = TRY(make_pipe())
    , from = TRY(make_pipe());
    const pid_t child = TRY(spawn(line, to.reader.get(), from.writer.get()));
    auto pipe = std::make_unique<FramePipe>(std::move(from.reader), std::move(to.writer));
    return std::unique_ptr<RemoteShell>(new RemoteShell(what, child, std::move(pipe)));
}

// Whether it has ended by then.
bool RemoteShell::wait(int timeout_ms) {
    if (child_ < 0) return true;
    const Fd process(static_cast<int>(::syscall(SYS_pidfd_open, child_, 0)));
    pollfd ended = {process.get(), POLLIN, 0};
    if (process) (void)::poll(&ended, 1, timeout_ms);
    if (::waitpid(child_, &status_, WNOHANG) != child_) return false;
    child_ = -1;
    return true;
}

RemoteShell::~RemoteShell() {
    pipe_.reset();
    if (wait(kEndMs)) return;
    ::kill(child_, SIGTERM);
    if (wait(kEndMs)) return;
    ::kill(child_, SIGKILL);
    (void)::waitpid(child_, &status_, 0);
}

Error RemoteShell::explain(const Error &error) {
    if (error.code != EPIPE || !wait(kEndMs)) return error;
    std::string how = "`" + what_ + "` ";
    if (WIFSIGNALED(status_))
        how += std::string("was killed (") + ::strsignal(WTERMSIG(status_)) + ")";
    else
        how += "ended with status " + std::to_string(WEXITSTATUS(status_));
    constexpr int kNotFound = 127, kOfSsh = 255;
    if (WIFEXITED(status_) && WEXITSTATUS(status_) == kNotFound)
        how += ": is gmemfs installed there? --remote-program names it";
    if (WIFEXITED(status_) && WEXITSTATUS(status_) == kOfSsh) how += ": the connection failed";
    return {EPIPE, 0, "talk to the other host", how};
}

} // namespace gmemfs
