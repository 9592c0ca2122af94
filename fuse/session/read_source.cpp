#include "fuse/session/read_source.hpp"

#include "fuse/host/log.hpp"
#include "vmm/base/limits.hpp"

#include <linux/fuse.h>

#include <cerrno>
#include <unistd.h>

namespace gmemfs {
namespace {

constexpr std::size_t kPage = 4096;
constexpr std::size_t kHeader = sizeof(fuse_in_header) + sizeof(fuse_write_in);

} // namespace

Result<std::unique_ptr<RequestSource>> ReadSource::create(Device &device, Session &session, Crew &crew) {
    PinnedBuffer receive = TRY(PinnedBuffer::create(device, kPage + kRequestMax));
    PinnedBuffer reply = TRY(PinnedBuffer::create(device, kRequestMax));
    return std::unique_ptr<RequestSource>(new ReadSource(session, crew, std::move(receive), std::move(reply)));
}

Result<std::span<std::byte>> ReadSource::receive() {
    const std::span<std::byte> buffer = receive_.bytes().subspan(kPage - kHeader); // a write's data begins at a page
    crew_.join(member_);
    const bool has_ended = session_.has_ended();
    const ssize_t received = has_ended ? 0 : ::read(session_.channel(), buffer.data(), buffer.size());
    const int code = received < 0 ? errno : ENODEV; // 0: unmounted
    crew_.leave(member_);
    if (received >= static_cast<ssize_t>(sizeof(fuse_in_header)))
        return buffer.first(static_cast<std::size_t>(received));
    crew_.done(member_);
    // ENOENT: the client was killed before the request came here.
    if (received < 0 && (code == EINTR || code == EAGAIN || code == ENOENT)) return std::span<std::byte>();
    return Error{received > 0 ? EIO : code, 0, "receive request"};
}

bool ReadSource::answer(std::span<const iovec> parts) {
    if (::writev(session_.channel(), parts.data(), static_cast<int>(parts.size())) >= 0) return true;
    // ENOENT: the client was killed. Other errors are those of a mount that is gone.
    if (errno != ENOENT && errno != ENODEV && errno != ENOTCONN && !session_.has_ended())
        log(LogLevel::error, "fuse", Error{errno, 0, "answer the kernel"}, "worker");
    return false;
}

} // namespace gmemfs
