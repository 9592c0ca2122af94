#include "fuse/session/ring_entry.hpp"

#include <cerrno>
#include <cstring>

namespace gmemfs {

RingEntry::RingEntry(unsigned queue, std::span<std::byte> memory)
    : queue_(queue),
      memory_(memory), buffers_{{memory.data(), sizeof(RingHeaders)}, {memory.data() + kHead, memory.size() - kHead}} {
    std::memset(memory.data(), 0, sizeof(RingHeaders));
}

Result<std::unique_ptr<RingEntry>> RingEntry::create(Device &device, unsigned queue) {
    PinnedBuffer buffer = TRY(PinnedBuffer::create(device, kHead + kPayload));
    std::unique_ptr<RingEntry> entry(new RingEntry(queue, buffer.bytes()));
    entry->pinned_.emplace(std::move(buffer));
    return entry;
}

std::unique_ptr<RingEntry> RingEntry::create_unpinned(unsigned queue) {
    auto memory = std::make_unique_for_overwrite<std::byte[]>(kHead + kPayload);
    std::unique_ptr<RingEntry> entry(new RingEntry(queue, {memory.get(), kHead + kPayload}));
    entry->unpinned_ = std::move(memory);
    return entry;
}

Result<std::span<std::byte>> RingEntry::take_request() {
    constexpr std::size_t kHeader = sizeof(fuse_in_header);
    fuse_in_header header = {};
    std::memcpy(&header, headers().in_out, kHeader);
    const std::size_t payload_size = headers().commit.payload_size;
    const std::size_t rest = header.len - kHeader - payload_size; // what is left for op_in
    const bool fits = header.len >= kHeader && payload_size <= header.len - kHeader && rest <= sizeof headers().op_in &&
                      payload_size <= kPayload && header.unique != 0;
    if (!fits)
        return Error{EPROTO, 0, "take a request from the ring",
            std::to_string(header.len) + " bytes, " + std::to_string(payload_size) + " of them payload"};
    std::byte *const request = payload().data() - rest - kHeader;
    std::memcpy(request, &header, kHeader);
    std::memcpy(request + kHeader, headers().op_in, rest);
    unique_ = header.unique;
    return std::span(request, header.len);
}

bool RingEntry::put_answer(std::span<const iovec> parts) {
    fuse_out_header header = {};
    if (!is_open() || parts.empty() || parts[0].iov_len != sizeof header) return false;
    std::memcpy(&header, parts[0].iov_base, sizeof header);
    if (header.unique != unique_) return false;
    std::size_t size = 0;
    for (const iovec &part : parts.subspan(1)) {
        std::byte *const to = payload().data() + size;
        if (part.iov_len > kPayload - size) {
            put_error(EIO);
            return true;
        }
        // A read was copied from the device to where it is to be. memmove: two parts of the payload may change places.
        if (part.iov_len > 0 && to != part.iov_base) std::memmove(to, part.iov_base, part.iov_len);
        size += part.iov_len;
    }
    std::memcpy(headers().in_out, &header, sizeof header);
    headers().commit.payload_size = static_cast<std::uint32_t>(size);
    unique_ = 0;
    return true;
}

void RingEntry::put_error(int code) {
    const fuse_out_header header = {sizeof header, -code, unique_};
    std::memcpy(headers().in_out, &header, sizeof header);
    headers().commit.payload_size = 0;
    unique_ = 0;
}

} // namespace gmemfs
