#include "block/process/signal.hpp"

#include <cstring>
#include <poll.h>
#include <string>
#include <sys/socket.h>

namespace gmemfs::block {
namespace {

constexpr std::size_t kControlSize = CMSG_SPACE(kSignalFdsMax * sizeof(int));

} // namespace

Signal make_signal(Signal::Kind kind) {
    Signal signal;
    signal.kind = kind;
    return signal;
}

Signal make_name(std::string_view name, int number) {
    Signal signal = make_signal(Signal::Kind::named);
    signal.code = number;
    name.copy(signal.text.data(), signal.text.size() - 1);
    return signal;
}

Signal make_failure(const Error &error) {
    Signal signal = make_signal(Signal::Kind::failed);
    signal.code = error.code;
    const std::string text = error.text();
    text.copy(signal.text.data(), signal.text.size() - 1);
    return signal;
}

Signal make_part_signal(Signal::Kind kind, std::uint32_t index, int code) {
    Signal signal = make_signal(kind);
    signal.index = index;
    signal.code = code;
    return signal;
}

Result<void> try_send_signal(int socket, const Signal &signal) {
    if (::send(socket, &signal, sizeof signal, MSG_NOSIGNAL | MSG_DONTWAIT) == static_cast<ssize_t>(sizeof signal))
        return {};
    return Error{errno, 0, "tell another process"};
}

Result<void> send_signal(int socket, const Signal &signal, std::span<const int> fds) {
    GMEMFS_ASSERT(fds.size() <= kSignalFdsMax);
    iovec part = {const_cast<Signal *>(&signal), sizeof signal};
    alignas(cmsghdr) std::array<char, kControlSize> control = {};
    msghdr message = {};
    message.msg_iov = &part;
    message.msg_iovlen = 1;
    if (!fds.empty()) {
        message.msg_control = control.data();
        message.msg_controllen = CMSG_SPACE(fds.size_bytes());
        cmsghdr *const head = CMSG_FIRSTHDR(&message);
        head->cmsg_level = SOL_SOCKET;
        head->cmsg_type = SCM_RIGHTS;
        head->cmsg_len = CMSG_LEN(fds.size_bytes());
        std::memcpy(CMSG_DATA(head), fds.data(), fds.size_bytes());
    }
    for (;;) {
        if (::sendmsg(socket, &message, MSG_NOSIGNAL) == static_cast<ssize_t>(sizeof signal)) return {};
        if (errno != EAGAIN) return Error{errno, 0, "tell another process"};
        pollfd room = {socket, POLLOUT, 0};
        (void)::poll(&room, 1, -1);
    }
}

Result<void> receive_signal(int socket, ReceivedSignal &received) {
    iovec part = {&received.signal, sizeof received.signal};
    alignas(cmsghdr) std::array<char, kControlSize> control = {};
    msghdr message = {};
    message.msg_iov = &part;
    message.msg_iovlen = 1;
    message.msg_control = control.data();
    message.msg_controllen = control.size();
    received.fd_count = 0;
    ssize_t size = 0;
    do size = ::recvmsg(socket, &message, MSG_CMSG_CLOEXEC);
    while (size < 0 && errno == EINTR);
    if (size < 0) return Error{errno, 0, "hear from another process"};
    for (cmsghdr *head = CMSG_FIRSTHDR(&message); head != nullptr; head = CMSG_NXTHDR(&message, head)) {
        if (head->cmsg_level != SOL_SOCKET || head->cmsg_type != SCM_RIGHTS) continue;
        received.fd_count = (head->cmsg_len - CMSG_LEN(0)) / sizeof(int);
        std::memcpy(received.fds.data(), CMSG_DATA(head), received.fd_count * sizeof(int));
    }
    if (size == 0) return Error{ECONNRESET, 0, "hear from another process", "it has ended"};
    received.signal.text.back() = '\0';
    if (size == static_cast<ssize_t>(sizeof received.signal)) return {};
    return Error{EPROTO, 0, "hear from another process", "it is of another version"};
}

} // namespace gmemfs::block
