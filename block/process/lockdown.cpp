#include "block/process/lockdown.hpp"

#include <array>
#include <fcntl.h>
#include <malloc.h>
#include <sched.h>
#include <sys/mman.h>
#include <sys/prctl.h>
#include <unistd.h>

#ifndef PR_SET_IO_FLUSHER
#define PR_SET_IO_FLUSHER 57 // Linux 5.6
#endif

namespace gmemfs::block {
namespace {

Result<void> refuse(Locking locking, int code, const char *doing, const char *advice) {
    if (locking == Locking::where_allowed) return {};
    return Error{code, 0, doing, advice};
}

Result<void> refuse_oom_kill(Locking locking) {
    const Fd file(::open("/proc/self/oom_score_adj", O_WRONLY | O_CLOEXEC));
    constexpr std::array<char, 5> kNever = {'-', '1', '0', '0', '0'};
    if (file && ::write(file.get(), kNever.data(), kNever.size()) == ssize_t(kNever.size())) return {};
    return refuse(locking, errno, "be spared when memory is short", "it takes root, or CAP_SYS_RESOURCE");
}

} // namespace

void prepare_memory() {
    ::mallopt(M_ARENA_MAX, 1);
    ::mallopt(M_TRIM_THRESHOLD, -1);
    ::mallopt(M_MMAP_THRESHOLD, 1024 * 1024 * 1024);
}

// MCL_ONFAULT, because the driver reserves far more than it ever touches.
Result<void> lock_memory(Locking locking) {
    TRY(refuse_oom_kill(locking));
    if (::mlockall(MCL_CURRENT | MCL_FUTURE | MCL_ONFAULT) == 0) return {};
    return refuse(locking, errno, "lock memory", "it takes root, CAP_IPC_LOCK, or a larger ulimit -l");
}

Result<void> become_io_flusher(Locking locking) {
    if (::prctl(PR_SET_IO_FLUSHER, 1, 0, 0, 0) != 0)
        TRY(refuse(locking, errno, "become an I/O flusher", "it takes root, or CAP_SYS_RESOURCE, and Linux 5.6"));
    const sched_param least = {1};
    if (locking == Locking::where_allowed || ::sched_setscheduler(0, SCHED_RR, &least) == 0) return {};
    return Error{errno, 0, "become a real-time thread", "it takes root, or CAP_SYS_NICE"};
}

void touch_stack() {
    std::array<volatile char, 128 * KiB> stack;
    for (std::size_t at = 0; at < stack.size(); at += 4096) stack[at] = 0;
}

} // namespace gmemfs::block
