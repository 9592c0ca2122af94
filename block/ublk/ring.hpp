// Ring: owns one io_uring, by which commands go to the ublk driver.
#pragma once

#include "vmm/base/result.hpp"

#include <liburing.h>

namespace gmemfs::block::ublk {

/// Move-only. Not thread-safe.
class Ring {
public:
    /// `flags` are io_uring_setup(2)'s. EPERM, ENOSYS, ENOMEM: the message says what to do.
    static Result<Ring> create(unsigned entries, unsigned flags);
    Ring(Ring &&other) noexcept : ring_(other.ring_) { other.ring_.ring_fd = -1; }
    Ring &operator=(Ring &&) = delete;
    Ring(const Ring &) = delete;
    Ring &operator=(const Ring &) = delete;
    ~Ring() {
        // NOLINTNEXTLINE(clang-analyzer-core.UndefinedBinaryOperatorResult): it doesn't follow Result's placement new
        if (ring_.ring_fd >= 0) io_uring_queue_exit(&ring_);
    }

    io_uring *get() { return &ring_; }
    int fd() const { return ring_.ring_fd; }
    /// Of a ring that was made with IORING_SETUP_R_DISABLED: from here on the calling thread alone submits.
    Result<void> enable();

private:
    explicit Ring(const io_uring &ring) : ring_(ring) {}

    io_uring ring_;
};

} // namespace gmemfs::block::ublk
