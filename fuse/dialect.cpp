#include "fuse/dialect.hpp"

#include "fuse/worker.hpp"

#include <linux/fuse.h>

#include <cstring>
#include <sys/uio.h>
#include <unistd.h>

namespace gmemfs {
namespace {

// FUSE_DIRECT_IO_ALLOW_MMAP of <linux/fuse.h> from Linux 6.6 on: bit 36, so bit 4 of the second word of flags.
constexpr std::uint32_t kDirectIoAllowMmap = std::uint32_t(1) << 4;

// FUSE_COPY_FILE_RANGE_64 of Linux 6.18.
constexpr std::uint32_t kCopyFileRange64 = 53;

template <typename T>
T *part_of(std::span<std::byte> request, std::size_t offset) {
    return request.size() < offset + sizeof(T) ? nullptr : reinterpret_cast<T *>(request.data() + offset);
}

} // namespace

void Dialect::hear(std::span<std::byte> request) {
    wants_no_name_ = has_long_count_ = can_map_ = false;
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
    if (header->opcode != FUSE_INIT) return;
    const auto *const init = part_of<fuse_init_in>(request, sizeof *header);
    can_map_ = init != nullptr && (init->flags & FUSE_INIT_EXT) != 0 && (init->flags2 & kDirectIoAllowMmap) != 0;
}

ssize_t Dialect::send(int fd, iovec *parts, int count, void *) {
    Dialect *const dialect = Worker::current_dialect();
    fuse_init_out answer = {};
    if (dialect == nullptr || !dialect->can_map_ || count != 2 || parts[1].iov_len != sizeof answer)
        return ::writev(fd, parts, count);
    std::memcpy(&answer, parts[1].iov_base, sizeof answer);
    answer.flags |= FUSE_INIT_EXT;
    answer.flags2 |= kDirectIoAllowMmap;
    iovec changed[] = {parts[0], {&answer, sizeof answer}};
    return ::writev(fd, changed, 2);
}

const fuse_custom_io &Dialect::io() {
    static const fuse_custom_io kIo = [] {
        fuse_custom_io io = {};
        io.writev = send;
        io.read = [](int fd, void *bytes, std::size_t size, void *) { return ::read(fd, bytes, size); };
        return io;
    }();
    return kIo;
}

} // namespace gmemfs
