#include "fuse/process/spawn.hpp"

#include "vmm/base/fd.hpp"

#include <glib-unix.h>

#include <csignal>
#include <fcntl.h>
#include <spawn.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <unistd.h>

namespace gmemfs {
namespace {

constexpr std::size_t kSaidMax = 2048;

// What a child that has ended wrote, in one line and without the name that begins it.
std::string hear(const Fd &pipe) {
    std::string said(kSaidMax, '\0');
    const ssize_t size = ::read(pipe.get(), said.data(), said.size());
    said.resize(static_cast<std::size_t>(std::max<ssize_t>(size, 0)));
    constexpr std::string_view kName = "gmemfs: ";
    if (said.starts_with(kName)) said.erase(0, kName.size());
    while (!said.empty() && said.back() == '\n') said.pop_back();
    for (char &letter : said)
        if (letter == '\n') letter = ' ';
    return said;
}

std::string describe_end(int status) {
    if (WIFSIGNALED(status)) return "it was ended by signal " + std::to_string(WTERMSIG(status));
    return "it ended with status " + std::to_string(WEXITSTATUS(status));
}

} // namespace

Result<pid_t> spawn_self(std::vector<std::string> words, ChildFds fds) {
    words.insert(words.begin(), "gmemfs");
    std::vector<char *> pointers;
    pointers.reserve(words.size() + 1);
    for (std::string &word : words) pointers.push_back(word.data());
    pointers.push_back(nullptr);
    posix_spawn_file_actions_t actions;
    posix_spawnattr_t attributes;
    ::posix_spawn_file_actions_init(&actions);
    ::posix_spawnattr_init(&attributes);
    ::posix_spawnattr_setflags(&attributes, POSIX_SPAWN_SETSID | POSIX_SPAWN_SETSIGDEF | POSIX_SPAWN_SETSIGMASK);
    sigset_t signals = {};
    sigemptyset(&signals);
    ::posix_spawnattr_setsigmask(&attributes, &signals);
    sigfillset(&signals);
    ::posix_spawnattr_setsigdefault(&attributes, &signals);
    if (fds.extra >= 0) ::posix_spawn_file_actions_adddup2(&actions, fds.extra, kExtraFd);
    if (fds.error >= 0) ::posix_spawn_file_actions_adddup2(&actions, fds.error, STDERR_FILENO);
    for (const int standard : {STDIN_FILENO, STDOUT_FILENO, STDERR_FILENO})
        if (standard != STDERR_FILENO || fds.error < 0)
            ::posix_spawn_file_actions_addopen(&actions, standard, "/dev/null", O_RDWR, 0);
    // The driver's own descriptors, too, whatever flags it gave them.
    ::posix_spawn_file_actions_addclosefrom_np(&actions, fds.extra >= 0 ? kExtraFd + 1 : kExtraFd);
    pid_t pid = -1;
    const int failed = ::posix_spawn(&pid, "/proc/self/exe", &actions, &attributes, pointers.data(), environ);
    ::posix_spawnattr_destroy(&attributes);
    ::posix_spawn_file_actions_destroy(&actions);
    if (failed != 0) return Error{failed, 0, "start a process", "gmemfs " + words[1]};
    return pid;
}

Result<void> run_self(const std::vector<std::string> &words) {
    int ends[2] = {-1, -1};
    const bool is_terminal = ::isatty(STDERR_FILENO) != 0;
    if (!is_terminal && ::pipe2(ends, O_CLOEXEC | O_NONBLOCK) != 0) return Error{errno, 0, "start a process"};
    const Fd said(ends[0]);
    Fd says(ends[1]);
    const pid_t pid = TRY(spawn_self(words, {.error = is_terminal ? STDERR_FILENO : says.get()}));
    says.reset();
    // Not GLib's watch of children: somebody else of this process may wait for all of them.
    const Fd ended(static_cast<int>(::syscall(SYS_pidfd_open, pid, 0)));
    GMainLoop *const loop = g_main_loop_new(nullptr, FALSE);
    g_unix_fd_add(
        ended.get(), G_IO_IN,
        [](gint, GIOCondition, gpointer data) -> gboolean {
            g_main_loop_quit(static_cast<GMainLoop *>(data));
            return G_SOURCE_REMOVE;
        },
        loop);
    g_main_loop_run(loop);
    g_main_loop_unref(loop);
    int status = 0;
    if (::waitpid(pid, &status, 0) != pid) return Error{errno, 0, "wait for a process", "gmemfs " + words[0]};
    if (status == 0) return {};
    const std::string why = is_terminal ? std::string() : hear(said);
    return Error{EIO, 0, "run a command", "gmemfs " + words[0] + ": " + (why.empty() ? describe_end(status) : why)};
}

} // namespace gmemfs
