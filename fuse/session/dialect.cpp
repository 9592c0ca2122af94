#include "fuse/session/dialect.hpp"

#include "fuse/host/log.hpp"
#include "vmm/base/limits.hpp"

#include <linux/fuse.h>

#include <algorithm>
#include <cstring>

namespace gmemfs {
namespace {

// FUSE_DIRECT_IO_ALLOW_MMAP of <linux/fuse.h> from Linux 6.6 on: bit 36, so bit 4 of the second word of flags.
constexpr std::uint32_t kDirectIoAllowMmap = std::uint32_t(1) << 4;

// FUSE_OVER_IO_URING of Linux 6.14: bit 41.
constexpr std::uint32_t kOverIoUring = std::uint32_t(1) << 9;

// FUSE_COPY_FILE_RANGE_64 of Linux 6.18.
constexpr std::uint32_t kCopyFileRange64 = 53;

// What the kernel wants of each payload of a ring, by the answer that it gets.
std::size_t ring_payload_size(const fuse_init_out &answer) {
    constexpr std::size_t kPage = 4096;
    constexpr std::size_t kPagesUsual = 32; // FUSE_DEFAULT_MAX_PAGES_PER_REQ of Linux
    const bool has_pages = (answer.flags & FUSE_MAX_PAGES) != 0;
    const std::size_t pages = has_pages ? std::max<std::size_t>(answer.max_pages, 1) : kPagesUsual;
    return std::max({std::size_t(FUSE_MIN_READ_BUFFER), std::size_t(answer.max_write), pages * kPage});
}

template <typename T>
T *part_of(std::span<std::byte> request, std::size_t offset) {
    return request.size() < offset + sizeof(T) ? nullptr : reinterpret_cast<T *>(request.data() + offset);
}

} // namespace

void Dialect::hear(std::span<std::byte> request) {
    wants_no_name_ = has_long_count_ = is_handshake_ = is_interrupt_ = false;
    auto *const header = part_of<fuse_in_header>(request, 0);
    if (header == nullptr) return;
    if (header->opcode == FUSE_TMPFILE) { // the rest is laid out like FUSE_CREATE
        header->opcode = FUSE_CREATE;
        wants_no_name_ = true;
    }
    // The same, with 64 bits for how much was copied. libfuse would answer ENOSYS; and Linux, where two processes get
    // that at once, takes it for both kinds, and copies through the host from then on.
    if (header->opcode == kCopyFileRange64) {
        header->opcode = FUSE_COPY_FILE_RANGE;
        has_long_count_ = true;
    }
    is_interrupt_ = header->opcode == FUSE_INTERRUPT;
    if (header->opcode != FUSE_INIT) return;
    is_handshake_ = true;
    const auto *const init = part_of<fuse_init_in>(request, sizeof *header);
    offers_set_ids_ = init != nullptr && (init->flags & FUSE_HANDLE_KILLPRIV) != 0;
    offered_ = init != nullptr && (init->flags & FUSE_INIT_EXT) != 0 ? init->flags2 : 0;
}

std::optional<Transport> Dialect::greet(std::span<std::byte> answer) {
    fuse_init_out out = {};
    if (!is_handshake_ || answer.size() != sizeof out) return {};
    std::memcpy(&out, answer.data(), sizeof out);
    std::uint32_t taken = offered_ & kDirectIoAllowMmap;
    // Else the kernel takes them away by a new mode, which leaves a set-group-ID bit that it should not.
    if (offers_set_ids_) out.flags |= FUSE_HANDLE_KILLPRIV;
    const bool fits = ring_payload_size(out) <= kRequestMax;
    if (handshake_.wanted() == Transport::io_uring && fits) taken |= offered_ & kOverIoUring;
    if (taken != 0) out.flags |= FUSE_INIT_EXT;
    out.flags2 |= taken;
    std::memcpy(answer.data(), &out, sizeof out);
    const Transport agreed = (taken & kOverIoUring) != 0 ? Transport::io_uring : Transport::read;
    if (agreed != handshake_.wanted())
        log(LogLevel::warning, "fuse",
            std::string("no io_uring: requests come by read(2), because ") +
                (fits ? "the kernel doesn't offer it for this mount" : "libfuse has agreed on larger requests"));
    return agreed;
}

} // namespace gmemfs
