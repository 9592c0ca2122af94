#include "fuse/process/inheritance.hpp"

#include "vmm/base/units.hpp"

#include <algorithm>
#include <csignal>
#include <fcntl.h>
#include <iterator>
#include <pthread.h>
#include <sys/resource.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <sys/time.h>
#include <unistd.h>

namespace gmemfs {
namespace {

constexpr rlim_t kStackSize = 8 * MiB;

// What an exec hands down is ignored or isn't: a handler here is this program's own, or a sanitizer's.
void stop_ignoring(int number) {
    struct sigaction action = {};
    if (::sigaction(number, nullptr, &action) != 0 || action.sa_handler != SIG_IGN) return;
    action.sa_handler = SIG_DFL;
    ::sigaction(number, &action, nullptr);
}

void close_range(unsigned first, unsigned last) {
    if (first > last || ::syscall(SYS_close_range, first, last, 0) == 0) return;
    for (long fd = first; fd <= std::min<long>(last, ::sysconf(_SC_OPEN_MAX)); ++fd) ::close(static_cast<int>(fd));
}

// A limit of the processor's time or of a file's size is meant for a command and not for a filesystem.
void raise_limit(int resource) {
    rlimit limit = {};
    if (::getrlimit(static_cast<__rlimit_resource>(resource), &limit) != 0) return;
    const rlimit none = {RLIM_INFINITY, RLIM_INFINITY};
    const bool is_for_commands = resource == RLIMIT_CPU || resource == RLIMIT_FSIZE;
    if (is_for_commands && ::setrlimit(static_cast<__rlimit_resource>(resource), &none) == 0) return;
    limit.rlim_cur = resource == RLIMIT_STACK ? std::min(limit.rlim_max, kStackSize) : limit.rlim_max;
    ::setrlimit(static_cast<__rlimit_resource>(resource), &limit);
}

// The C library has read the limit before it was raised.
void set_thread_stacks() {
    pthread_attr_t attributes;
    ::pthread_attr_init(&attributes);
    ::pthread_attr_setstacksize(&attributes, kStackSize);
    ::pthread_setattr_default_np(&attributes);
    ::pthread_attr_destroy(&attributes);
}

} // namespace

void complete_standard_descriptors() {
    // Each becomes the lowest that is free.
    for (const int standard : {STDIN_FILENO, STDOUT_FILENO, STDERR_FILENO})
        if (::fcntl(standard, F_GETFD) < 0 && ::open("/dev/null", O_RDWR) != standard) return;
    stop_ignoring(SIGCHLD);
}

void leave_inheritance(int kept) {
    const unsigned first = STDERR_FILENO + 1;
    if (kept >= static_cast<int>(first)) close_range(first, static_cast<unsigned>(kept) - 1);
    close_range(std::max(first, static_cast<unsigned>(kept + 1)), ~0U);
    for (int number = 1; number < NSIG; ++number) stop_ignoring(number);
    sigset_t none = {};
    sigemptyset(&none);
    ::sigprocmask(SIG_SETMASK, &none, nullptr);
    for (const auto timer : {ITIMER_REAL, ITIMER_VIRTUAL, ITIMER_PROF}) {
        const itimerval off = {};
        ::setitimer(timer, &off, nullptr);
    }
    for (const int resource : {RLIMIT_AS, RLIMIT_CPU, RLIMIT_DATA, RLIMIT_FSIZE, RLIMIT_MEMLOCK, RLIMIT_NOFILE,
             RLIMIT_NPROC, RLIMIT_RSS, RLIMIT_SIGPENDING, RLIMIT_STACK})
        raise_limit(resource);
    set_thread_stacks();
    ::umask(027);
    if (::chdir("/") != 0) {} // so that no folder is busy by it; no harm where it fails
}

} // namespace gmemfs
