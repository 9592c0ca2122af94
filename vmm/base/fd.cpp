#include "vmm/base/fd.hpp"

#include <cstring>
#include <fcntl.h>
#include <sys/socket.h>
#include <unistd.h>

namespace gmemfs {
namespace {

// SCM_MAX_FD of the kernel (net/scm.h): no message carries more.
constexpr std::size_t kFdsPerMessageMax = 253;

} // namespace

void Fd::reset() {
    if (fd_ >= 0) ::close(fd_);
    fd_ = -1;
}

Result<Fd> Fd::duplicate() const {
    const int copy = ::fcntl(fd_, F_DUPFD_CLOEXEC, 0);
    if (copy < 0) return Error{errno, 0, "duplicate descriptor"};
    return Fd(copy);
}

Result<void> send_with_fds(int socket, std::span<const std::byte> bytes, std::span<const Fd *const> fds) {
    GMEMFS_ASSERT(!bytes.empty());
    GMEMFS_ASSERT(fds.size() <= kFdsPerMessageMax);
    alignas(cmsghdr) char control[CMSG_SPACE(kFdsPerMessageMax * sizeof(int))];
    std::size_t sent = 0;
    while (sent < bytes.size()) {
        iovec part = {const_cast<std::byte *>(bytes.data()) + sent, bytes.size() - sent};
        msghdr message = {};
        message.msg_iov = &part;
        message.msg_iovlen = 1;
        if (sent == 0 && !fds.empty()) {
            message.msg_control = control;
            message.msg_controllen = CMSG_SPACE(fds.size() * sizeof(int));
            cmsghdr *header = CMSG_FIRSTHDR(&message);
            header->cmsg_level = SOL_SOCKET;
            header->cmsg_type = SCM_RIGHTS;
            header->cmsg_len = CMSG_LEN(fds.size() * sizeof(int));
            for (std::size_t i = 0; i < fds.size(); ++i) {
                const int fd = fds[i]->get();
                std::memcpy(CMSG_DATA(header) + i * sizeof(int), &fd, sizeof fd);
            }
        }
        const ssize_t count = ::sendmsg(socket, &message, MSG_NOSIGNAL);
        if (count < 0 && errno == EINTR) continue;
        if (count < 0) return Error{errno, 0, "send to peer"};
        sent += static_cast<std::size_t>(count);
    }
    return {};
}

Result<Received> receive_message(int socket, std::span<std::byte> bytes) {
    alignas(cmsghdr) char control[CMSG_SPACE(kFdsPerMessageMax * sizeof(int))];
    iovec part = {bytes.data(), bytes.size()};
    msghdr message = {};
    message.msg_iov = &part;
    message.msg_iovlen = 1;
    message.msg_control = control;
    message.msg_controllen = sizeof control;
    ssize_t count = -1;
    do {
        count = ::recvmsg(socket, &message, MSG_CMSG_CLOEXEC);
    } while (count < 0 && errno == EINTR);
    if (count < 0) return Error{errno, 0, "receive from peer"};
    Received received;
    received.size = static_cast<std::size_t>(count);
    received.is_cut = (message.msg_flags & MSG_TRUNC) != 0;
    received.lacks_fds = (message.msg_flags & MSG_CTRUNC) != 0;
    for (cmsghdr *header = CMSG_FIRSTHDR(&message); header != nullptr; header = CMSG_NXTHDR(&message, header)) {
        if (header->cmsg_level != SOL_SOCKET || header->cmsg_type != SCM_RIGHTS) continue;
        const std::size_t number = (header->cmsg_len - CMSG_LEN(0)) / sizeof(int);
        for (std::size_t i = 0; i < number; ++i) {
            int fd = -1;
            std::memcpy(&fd, CMSG_DATA(header) + i * sizeof(int), sizeof fd);
            received.fds.emplace_back(fd);
        }
    }
    return received;
}

} // namespace gmemfs
