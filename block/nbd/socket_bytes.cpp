#include "block/nbd/socket_bytes.hpp"

#include <algorithm>
#include <climits>
#include <sys/socket.h>

namespace gmemfs::block::nbd {

Result<void> send_bytes(int socket, std::span<const std::byte> bytes) {
    iovec part = {const_cast<std::byte *>(bytes.data()), bytes.size()};
    return send_parts(socket, {&part, 1});
}

Result<void> send_parts(int socket, std::span<iovec> parts) {
    while (!parts.empty()) {
        msghdr message = {};
        message.msg_iov = parts.data();
        message.msg_iovlen = std::min<std::size_t>(parts.size(), IOV_MAX);
        ssize_t sent = ::sendmsg(socket, &message, MSG_NOSIGNAL);
        if (sent < 0 && errno == EINTR) continue;
        if (sent < 0) return Error{errno, 0, "send to the client"};
        auto left = static_cast<std::size_t>(sent);
        while (!parts.empty() && left >= parts.front().iov_len) {
            left -= parts.front().iov_len;
            parts = parts.subspan(1);
        }
        if (parts.empty()) break;
        parts.front().iov_base = static_cast<std::byte *>(parts.front().iov_base) + left;
        parts.front().iov_len -= left;
    }
    return {};
}

Result<void> receive_bytes(int socket, std::span<std::byte> bytes) {
    while (!bytes.empty()) {
        const std::size_t count = TRY(receive_some(socket, bytes));
        if (count == 0) return Error{ECONNRESET, 0, "receive from the client", "it closed the connection"};
        bytes = bytes.subspan(count);
    }
    return {};
}

Result<std::size_t> receive_some(int socket, std::span<std::byte> bytes) {
    for (;;) {
        const ssize_t count = ::recv(socket, bytes.data(), bytes.size(), 0);
        if (count >= 0) return static_cast<std::size_t>(count);
        if (errno != EINTR) return Error{errno, 0, "receive from the client"};
    }
}

} // namespace gmemfs::block::nbd
