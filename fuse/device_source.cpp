#include "fuse/device_source.hpp"

#include <linux/fuse.h>

#include <algorithm>
#include <fstream>

namespace gmemfs {
namespace {

constexpr std::size_t kPage = 4096;
constexpr std::size_t kHeader = sizeof(fuse_in_header) + sizeof(fuse_write_in);

// What libfuse reads into: 256 pages and a page for the headers up to 3.16; later ones follow the kernel's limit.
std::size_t receive_size() {
    std::size_t pages = 256;
    std::ifstream limit("/proc/sys/fs/fuse/max_pages_limit");
    std::size_t allowed = 0;
    if (limit >> allowed) pages = std::max(pages, allowed);
    return (pages + 1) * kPage;
}

} // namespace

Result<std::unique_ptr<RequestSource>> DeviceSource::create(Device &device, fuse_session *session, Crew &crew) {
    const std::size_t size = receive_size();
    PinnedBuffer receive = TRY(PinnedBuffer::create(device, size + kPage));
    PinnedBuffer reply = TRY(PinnedBuffer::create(device, size));
    return std::unique_ptr<RequestSource>(new DeviceSource(session, crew, std::move(receive), std::move(reply)));
}

Result<std::span<std::byte>> DeviceSource::receive() {
    fuse_buf request = {};
    request.mem = receive_.bytes().data() + kPage - kHeader; // a write's data begins at a page
    crew_.join(member_);
    const bool has_ended = fuse_session_exited(session_) != 0;
    const int received = has_ended ? -ENODEV : fuse_session_receive_buf(session_, &request);
    crew_.leave(member_);
    if (received > 0) return std::span(static_cast<std::byte *>(request.mem), static_cast<std::size_t>(received));
    crew_.done(member_);
    if (received == -EINTR || received == -EAGAIN) return std::span<std::byte>();
    return Error{received == 0 ? ENODEV : -received, 0, "receive request"}; // 0: unmounted
}

} // namespace gmemfs
