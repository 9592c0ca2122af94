// ChangeNotice: wakes the thread that looks, for those who wait, whether a file or a name has changed.
//
// It says that something has changed, not what. The looker, the broker's thread, compares what each waiter knows with
// what there is. So whoever changes something pays one load while nobody waits, and never for another's wait.
#pragma once

#include "vmm/base/fd.hpp"
#include "vmm/base/result.hpp"

#include <atomic>
#include <cstdint>
#include <ctime>
#include <sys/eventfd.h>
#include <unistd.h>
#include <utility>

namespace gmemfs {

/// Thread-safe, but for open().
class ChangeNotice {
public:
    /// Counts as one who waits, while it lives. Move-only.
    class Waiter {
    public:
        explicit Waiter(ChangeNotice &notice) : notice_(&notice) { notice.waiters_.fetch_add(1); }
        Waiter(Waiter &&other) noexcept : notice_(std::exchange(other.notice_, nullptr)) {}
        Waiter &operator=(Waiter &&other) noexcept {
            std::swap(notice_, other.notice_);
            return *this;
        }
        ~Waiter() {
            if (notice_ != nullptr) notice_->waiters_.fetch_sub(1);
        }

    private:
        ChangeNotice *notice_;
    };

    /// A view of the descriptor that becomes readable after a change, which is made at the first call. Called by one
    /// thread, before the first Waiter. EMFILE.
    Result<int> open() {
        if (!event_) event_ = Fd(::eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK));
        if (!event_) return Error{errno, 0, "make the descriptor that tells of changes"};
        return event_.get();
    }
    /// Called before the looker looks: what changes from here on is told anew.
    void taken() {
        std::uint64_t count = 0;
        (void)::read(event_.get(), &count, sizeof count);
        is_told_ = false;
    }

    /// Called when the change can be seen. A waiter that comes later sees it by itself.
    void tell() {
        if (waiters_.load() != 0) [[unlikely]]
            wake();
    }
    /// The same of a directory or a symbolic link that was moved or replaced: a path may lead somewhere else now.
    void tell_paths() {
        paths_.fetch_add(1);
        tell();
    }
    int waiters() const { return waiters_.load(); }
    /// Another number after each tell_paths(), and in each server; never 0.
    std::uint64_t paths() const { return paths_.load(); }

private:
    void wake() {
        if (is_told_.exchange(true)) return;
        const std::uint64_t one = 1;
        (void)::write(event_.get(), &one, sizeof one);
    }
    static std::uint64_t first_paths() {
        timespec now = {};
        ::clock_gettime(CLOCK_REALTIME, &now);
        return static_cast<std::uint64_t>(now.tv_sec) << 30 | static_cast<std::uint64_t>(now.tv_nsec);
    }

    Fd event_;
    std::atomic<int> waiters_ = 0;
    std::atomic<bool> is_told_ = false;
    std::atomic<std::uint64_t> paths_ = first_paths();
};

} // namespace gmemfs
