#include "fuse/broker/donated_memory.hpp"

#include <cstring>
#include <fcntl.h>
#include <sys/mman.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <thread>
#include <unistd.h>

namespace gmemfs {
namespace {

void close_elsewhere(Fd fd) {
    const int number = fd.release();
    std::thread([number] { ::close(number); }).detach();
}

// Without a question to a filesystem's server.
bool look_at(const Fd &fd, struct statx &status) {
    return ::statx(fd.get(), "", AT_EMPTY_PATH | AT_STATX_DONT_SYNC, STATX_TYPE, &status) == 0;
}

// All memory files lie in one filesystem.
bool is_memory_file(const Fd &fd) {
    struct statx status = {}, own = {};
    const Fd memory_file(::memfd_create("gmemfs-look", MFD_CLOEXEC));
    return look_at(fd, status) && (status.stx_mode & S_IFMT) == S_IFREG && look_at(memory_file, own) &&
           own.stx_dev_major == status.stx_dev_major && own.stx_dev_minor == status.stx_dev_minor;
}

// A driver exports character devices or anonymous files, the simulator memory files.
bool can_be_memory(const Fd &fd) {
    struct statx status = {};
    if (!look_at(fd, status)) return false;
    const mode_t type = status.stx_mode & S_IFMT;
    return type == S_IFCHR || type == 0 || is_memory_file(fd);
}

} // namespace

Result<DonatedFds> peek_memory(int socket) {
    // Beside the descriptors come the sender's credentials, and where the peer has no number here a pidfd.
    alignas(cmsghdr) char control[CMSG_SPACE(sizeof(ucred)) + 2 * CMSG_SPACE(sizeof(int))];
    std::byte first = {};
    iovec part = {&first, sizeof first};
    msghdr message = {};
    message.msg_iov = &part;
    message.msg_iovlen = 1;
    message.msg_control = control;
    message.msg_controllen = sizeof control;
    if (::recvmsg(socket, &message, MSG_PEEK | MSG_DONTWAIT | MSG_CMSG_CLOEXEC) < 0)
        return Error{errno, 0, "receive memory"};
    DonatedFds taken;
    for (cmsghdr *header = CMSG_FIRSTHDR(&message); header != nullptr; header = CMSG_NXTHDR(&message, header)) {
        if (header->cmsg_level != SOL_SOCKET || header->cmsg_type == SCM_CREDENTIALS) continue;
        const std::size_t count = (header->cmsg_len - CMSG_LEN(0)) / sizeof(int);
        for (std::size_t index = 0; index < count; ++index) {
            int number = -1;
            std::memcpy(&number, CMSG_DATA(header) + index * sizeof number, sizeof number);
            Fd fd(number);
            if (header->cmsg_type == SCM_RIGHTS && !taken.memory)
                taken.memory = std::move(fd);
            else if (header->cmsg_type == SCM_RIGHTS && !taken.blocks && is_memory_file(fd))
                taken.blocks = std::move(fd);
            else
                close_elsewhere(std::move(fd));
        }
    }
    if (!taken.memory && (message.msg_flags & MSG_CTRUNC) != 0)
        return Error{EMFILE, 0, "receive memory", "the server may open no more descriptors"};
    if (!taken.memory) return Error{EINVAL, 0, "receive memory", "no descriptor came with it"};
    if (can_be_memory(taken.memory)) return taken;
    close_elsewhere(std::move(taken.memory));
    return Error{EINVAL, 0, "receive memory", "its descriptor is none of device memory"};
}

} // namespace gmemfs
