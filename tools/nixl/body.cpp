#include "tools/nixl/body.hpp"

#include "vmm/base/units.hpp"

#include <chrono>
#include <cstring>
#include <poll.h>
#include <sys/socket.h>

namespace gmemfs {
namespace {

using Clock = std::chrono::steady_clock;

Error ended() { return Error{EPIPE, 0, "talk to NIXL's helper", "it has ended"}; }

Result<void> receive_all(int socket, std::span<std::byte> bytes, Clock::time_point end) {
    std::size_t done = 0;
    while (done < bytes.size()) {
        const auto left = std::chrono::ceil<std::chrono::milliseconds>(end - Clock::now()).count();
        pollfd wanted = {socket, POLLIN, 0};
        const int ready = ::poll(&wanted, 1, left > 0 ? static_cast<int>(left) : 0);
        if (ready == 0) return Error{ETIMEDOUT, 0, "talk to NIXL's helper", {}};
        if (ready < 0 && errno != EINTR) return Error{errno, 0, "talk to NIXL's helper", {}};
        if (ready < 0) continue;
        const ssize_t count = ::recv(socket, &bytes[done], bytes.size() - done, MSG_DONTWAIT);
        if (count < 0 && (errno == EINTR || errno == EAGAIN)) continue;
        if (count <= 0) return ended();
        done += static_cast<std::size_t>(count);
    }
    return {};
}

} // namespace

Result<void> send_body(int socket, std::span<const std::byte> body) {
    const auto length = static_cast<std::uint32_t>(body.size());
    GMEMFS_ASSERT(length <= kBodyMost);
    std::vector<std::byte> all(sizeof length);
    std::memcpy(all.data(), &length, sizeof length);
    all.insert(all.end(), body.begin(), body.end());
    for (std::size_t done = 0; done < all.size();) {
        const ssize_t count = ::send(socket, &all[done], all.size() - done, MSG_NOSIGNAL);
        if (count < 0 && errno == EINTR) continue;
        if (count < 0) return ended();
        done += static_cast<std::size_t>(count);
    }
    return {};
}

Result<std::vector<std::byte>> receive_body(int socket, int timeout_ms) {
    pollfd wanted = {socket, POLLIN, 0};
    const int ready = ::poll(&wanted, 1, timeout_ms);
    if (ready == 0 || (ready < 0 && errno == EINTR)) return Error{ETIMEDOUT, 0, "talk to NIXL's helper", {}};
    // What has begun comes at once, but for an end that hangs.
    constexpr int kRestMs = 5000;
    const Clock::time_point end = Clock::now() + std::chrono::milliseconds(kRestMs);
    std::uint32_t length = 0;
    const Result<void> came = receive_all(socket, std::as_writable_bytes(std::span(&length, 1)), end);
    if (!came) return came.error().code == ETIMEDOUT ? ended() : Error(came.error());
    if (length > kBodyMost) return Error{EPROTO, 0, "talk to NIXL's helper", "what came is no message"};
    std::vector<std::byte> body(length);
    const Result<void> rest = receive_all(socket, body, end);
    if (!rest) return rest.error().code == ETIMEDOUT ? ended() : Error(rest.error());
    return body;
}

} // namespace gmemfs
