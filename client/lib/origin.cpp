#include "client/lib/origin.hpp"

#include <atomic>
#include <sys/mman.h>
#include <unistd.h>

namespace gmemfs::client {
namespace {

constexpr std::size_t kPage = 4096;
std::atomic<const pid_t *> g_original = nullptr; // set once; in a page of its own

Result<void> mark_original() {
    void *const page = ::mmap(nullptr, kPage, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
    if (page == MAP_FAILED) return Error{errno, 0, "start libgmemfs", "no memory for a page"};
    ::madvise(page, kPage, MADV_WIPEONFORK); // before Linux 4.14 the number is all that tells a copy
    *static_cast<pid_t *>(page) = ::getpid();
    const pid_t *none = nullptr;
    if (!g_original.compare_exchange_strong(none, static_cast<const pid_t *>(page))) ::munmap(page, kPage);
    return {};
}

} // namespace

bool is_copy() {
    const pid_t *const original = g_original.load();
    return original != nullptr && *original != ::getpid();
}

Result<void> check_origin() {
    if (g_original.load() == nullptr) return mark_original();
    if (!is_copy()) return {};
    return Error{ECHILD, 0, "use libgmemfs",
        "this process is a fork of one that has used it, and CUDA doesn't outlive a fork: start it anew (exec, or "
        "multiprocessing's spawn)"};
}

} // namespace gmemfs::client
