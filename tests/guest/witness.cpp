// Witness: tells how a guest that is short of memory gets on, and kills a process at a chosen moment.
//
//   witness [--kill PID COUNTER COUNT] [--stacks PID...]
//
// Each 10 s it writes a line of /proc/vmstat's counters. Where no page has gone in or out for 20 s, it writes once the
// kernel's stacks of the processes named. With --kill it kills PID (SIGKILL) as soon as COUNTER (pswpin, pswpout) has
// grown by COUNT pages. It is locked, and takes no memory once it runs: a shell's own pages may be on the device that
// has just lost its server.
#include <array>
#include <cerrno>
#include <csignal>
#include <cstdint>
#include <cstdio>
#include <cstdlib>
#include <cstring>
#include <dirent.h>
#include <fcntl.h>
#include <string_view>
#include <sys/mman.h>
#include <sys/syscall.h>
#include <time.h>
#include <unistd.h>

namespace {

std::array<char, 16384> g_text;

// A file of /proc, as text.
const char *read_text(int fd) {
    const ssize_t count = ::pread(fd, g_text.data(), g_text.size() - 1, 0);
    g_text[count > 0 ? static_cast<std::size_t>(count) : 0] = '\0';
    return g_text.data();
}

// The value of a line "NAME VALUE", or the sum of those whose names begin with NAME.
std::uint64_t counter(const char *text, const char *name) {
    std::uint64_t sum = 0;
    for (const char *at = text; (at = std::strstr(at, name)) != nullptr; ++at) {
        if (at != text && at[-1] != '\n') continue;
        const char *const space = std::strchr(at, ' ');
        if (space != nullptr) sum += std::strtoull(space, nullptr, 10);
    }
    return sum;
}

std::uint64_t seconds() {
    timespec time{};
    ::clock_gettime(CLOCK_MONOTONIC, &time);
    return static_cast<std::uint64_t>(time.tv_sec);
}

// By system calls alone: readdir(3) takes memory.
void write_stacks(const char *process) {
    std::array<char, 300> path;
    std::snprintf(path.data(), path.size(), "/proc/%s/task", process);
    const int folder = ::open(path.data(), O_RDONLY | O_DIRECTORY | O_CLOEXEC);
    if (folder < 0) {
        ::dprintf(STDOUT_FILENO, "witness: %s has gone (%s)\n", process, std::strerror(errno));
        return;
    }
    alignas(dirent64) std::array<char, 4096> entries;
    const long size = ::syscall(SYS_getdents64, folder, entries.data(), entries.size());
    ::close(folder);
    for (long at = 0; at < size;) {
        const auto *const task = reinterpret_cast<const dirent64 *>(entries.data() + at);
        at += task->d_reclen;
        if (task->d_name[0] == '.') continue;
        for (const char *const file : {"comm", "stack"}) {
            std::snprintf(path.data(), path.size(), "/proc/%s/task/%s/%s", process, task->d_name, file);
            const int fd = ::open(path.data(), O_RDONLY | O_CLOEXEC);
            if (fd < 0) continue;
            ::dprintf(STDOUT_FILENO, "witness: %s of %s: %s\n", file, task->d_name, read_text(fd));
            ::close(fd);
        }
    }
}

} // namespace

int main(int count, char **words) {
    pid_t victim = 0;
    const char *name = "";
    std::uint64_t wanted = 0;
    int at = 1;
    if (count > at + 3 && std::string_view(words[at]) == "--kill") {
        victim = std::atoi(words[at + 1]);
        name = words[at + 2];
        wanted = std::strtoull(words[at + 3], nullptr, 10);
        at += 4;
    }
    if (at < count) ++at; // --stacks
    const int vmstat = ::open("/proc/vmstat", O_RDONLY | O_CLOEXEC);
    if (vmstat < 0 || ::mlockall(MCL_CURRENT | MCL_FUTURE) != 0) {
        std::perror("witness");
        return 1;
    }
    const std::uint64_t first = victim != 0 ? counter(read_text(vmstat), name) : 0;
    std::uint64_t told = seconds(), moved = told, last = 0;
    bool has_written_stacks = false;
    ::dprintf(STDOUT_FILENO, "witness: here\n");
    for (;;) {
        const char *const text = read_text(vmstat);
        const std::uint64_t now = seconds(), in = counter(text, "pswpin "), out = counter(text, "pswpout ");
        if (victim != 0 && counter(text, name) - first >= wanted) {
            const int status = ::kill(victim, SIGKILL);
            ::dprintf(STDOUT_FILENO, "witness: killed %d (%s)\n", victim, status == 0 ? "there" : std::strerror(errno));
            victim = 0;
        }
        if (in + out != last) {
            last = in + out;
            moved = now;
            has_written_stacks = false;
        }
        if (now - told >= 10) {
            ::dprintf(STDOUT_FILENO, "witness: in %llu, out %llu, stalls %llu, free %llu pages\n",
                static_cast<unsigned long long>(in), static_cast<unsigned long long>(out),
                static_cast<unsigned long long>(counter(text, "allocstall")),
                static_cast<unsigned long long>(counter(text, "nr_free_pages")));
            told = now;
        }
        if (now - moved >= 20 && !has_written_stacks) {
            for (int each = at; each < count; ++each) write_stacks(words[each]);
            has_written_stacks = true;
        }
        const timespec pause = {0, 5'000'000};
        ::nanosleep(&pause, nullptr);
    }
}
