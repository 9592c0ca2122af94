#include "tools/remote/frame.hpp"

#include "tools/host/interruption.hpp"

#include <array>
#include <cstring>
#include <poll.h>
#include <sys/uio.h>
#include <unistd.h>

namespace gmemfs {
namespace {

constexpr std::size_t kHead = 5;
constexpr int kTickMs = 100; // how soon an interruption is seen that came just before a wait

bool is_kind(std::uint8_t kind) {
    return kind >= static_cast<std::uint8_t>(FrameKind::hello) && kind <= static_cast<std::uint8_t>(FrameKind::changed);
}

// Waits until the pipe can be read or written, or has ended.
Result<void> wait_for(int fd, short events) {
    for (;;) {
        if (is_interrupted()) return Error{EINTR, 0, "interrupted", {}};
        pollfd wanted = {fd, events, 0};
        const int ready = ::poll(&wanted, 1, kTickMs);
        if (ready > 0) return {};
        if (ready < 0 && errno != EINTR) return Error{errno, 0, "wait for the other host", {}};
    }
}

} // namespace

// How many came before the stream's end.
Result<std::size_t> FramePipe::read(std::span<std::byte> bytes) const {
    std::size_t done = 0;
    while (done < bytes.size()) {
        TRY(wait_for(in_.get(), POLLIN));
        const ssize_t count = ::read(in_.get(), &bytes[done], bytes.size() - done);
        if (count < 0 && (errno == EINTR || errno == EAGAIN)) continue;
        if (count < 0) return Error{errno, 0, "read from the other host", {}};
        if (count == 0) break;
        done += static_cast<std::size_t>(count);
    }
    return done;
}

Result<void> FramePipe::receive(Frame &frame) {
    std::array<std::byte, kHead> head;
    const std::size_t came = TRY(read(head));
    if (came < head.size()) return Error{EPIPE, 0, "read from the other host", "it has ended"};
    std::uint32_t length = 0;
    std::memcpy(&length, head.data(), sizeof length);
    const auto kind = std::to_integer<std::uint8_t>(head[4]);
    if (length > kFrameMost || !is_kind(kind))
        return Error{EPROTO, 0, "read from the other host",
            "what came is no frame: a login script there that prints something would be such a thing"};
    frame.kind = static_cast<FrameKind>(kind);
    frame.body.resize(length);
    if (TRY(read(frame.body)) < length) return Error{EPIPE, 0, "read from the other host", "it has ended"};
    return {};
}

Result<void> FramePipe::send(FrameKind kind, std::span<const std::byte> body, std::span<const std::byte> bulk) {
    const auto length = static_cast<std::uint32_t>(body.size() + bulk.size());
    GMEMFS_ASSERT(length <= kFrameMost);
    std::array<std::byte, kHead> head;
    std::memcpy(head.data(), &length, sizeof length);
    head[4] = static_cast<std::byte>(kind);
    const auto part = [](std::span<const std::byte> bytes) {
        return iovec{const_cast<std::byte *>(bytes.data()), bytes.size()};
    };
    iovec parts[] = {part(head), part(body), part(bulk)};
    const Hold hold(mutex_);
    for (iovec *next = parts; next != std::end(parts);) {
        if (next->iov_len == 0) {
            ++next;
            continue;
        }
        TRY(wait_for(out_.get(), POLLOUT));
        ssize_t count = ::writev(out_.get(), next, static_cast<int>(std::end(parts) - next));
        if (count < 0 && (errno == EINTR || errno == EAGAIN)) continue;
        if (count < 0) return Error{errno, 0, "write to the other host", errno == EPIPE ? "it has ended" : ""};
        for (; next != std::end(parts) && count >= static_cast<ssize_t>(next->iov_len); ++next)
            count -= static_cast<ssize_t>(next->iov_len);
        if (count == 0) continue;
        next->iov_base = static_cast<std::byte *>(next->iov_base) + count;
        next->iov_len -= static_cast<std::size_t>(count);
    }
    return {};
}

void FramePipe::close_sending() {
    const Hold hold(mutex_);
    out_.reset();
}

} // namespace gmemfs
