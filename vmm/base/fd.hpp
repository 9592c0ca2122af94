// Fd: owns a file descriptor; and the way to pass one to another process over a Unix socket (SCM_RIGHTS).
#pragma once

#include "vmm/base/result.hpp"

#include <cstddef>
#include <span>
#include <utility>
#include <vector>

namespace gmemfs {

/// Owner of one descriptor, closed in the destructor. Move-only. Not thread-safe.
class Fd {
public:
    Fd() = default;
    explicit Fd(int fd) : fd_(fd) {}
    Fd(Fd &&other) noexcept : fd_(std::exchange(other.fd_, -1)) {}
    Fd &operator=(Fd &&other) noexcept {
        if (this != &other) {
            reset();
            fd_ = std::exchange(other.fd_, -1);
        }
        return *this;
    }
    Fd(const Fd &) = delete;
    Fd &operator=(const Fd &) = delete;
    ~Fd() { reset(); }

    int get() const { return fd_; }
    explicit operator bool() const { return fd_ >= 0; }
    int release() { return std::exchange(fd_, -1); }
    void reset();
    Result<Fd> duplicate() const; ///< with O_CLOEXEC. EMFILE, ENFILE, EBADF

private:
    int fd_ = -1;
};

/// Writes all of `bytes`, with `fds` attached to the first byte, to a connected Unix socket. EPIPE: the peer is gone.
Result<void> send_with_fds(int socket, std::span<const std::byte> bytes, std::span<const Fd *const> fds);

/// What one recvmsg(2) brought.
struct Received {
    std::size_t size = 0;   ///< bytes; 0: the peer has closed the connection
    std::vector<Fd> fds;    ///< all that came, each O_CLOEXEC
    bool is_cut = false;    ///< the message was longer than the buffer (MSG_TRUNC)
    bool lacks_fds = false; ///< more descriptors came than this process may open (MSG_CTRUNC)
};
/// One message of a packet socket, or what is there of a stream. The errno of recvmsg(2); EINTR is tried again.
Result<Received> receive_message(int socket, std::span<std::byte> bytes);

} // namespace gmemfs
