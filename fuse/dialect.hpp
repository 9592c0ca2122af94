// Dialect: what the kernel's FUSE speaks and libfuse 3.14 doesn't: shared mappings of files opened for direct I/O
// (Linux 6.6), files without a name, O_TMPFILE (Linux 6.1), and another kind of copy_file_range (Linux 6.18).
//
// A worker shows each request before libfuse reads it, and each answer goes out through send(). So the handshake gets
// one more flag, and FUSE_TMPFILE is served as the FUSE_CREATE that it looks like, by an operation that asks first.
#pragma once

#include <fuse_lowlevel.h>

#include <cstddef>
#include <span>

namespace gmemfs {

/// Of one worker's present request. Not thread-safe.
class Dialect {
public:
    /// Looks at a whole request as the kernel sent it, and may change its header.
    void hear(std::span<std::byte> request);
    /// The present request is a FUSE_CREATE that was a FUSE_TMPFILE: its file gets no name.
    bool wants_no_name() const { return wants_no_name_; }
    /// The present request is a FUSE_COPY_FILE_RANGE that was a FUSE_COPY_FILE_RANGE_64: its answer has 64 bits.
    bool has_long_count() const { return has_long_count_; }

    /// libfuse's way to write: adds to the answer what hear() has noted.
    static const fuse_custom_io &io();

private:
    static ssize_t send(int fd, iovec *parts, int count, void *);

    bool wants_no_name_ = false;
    bool has_long_count_ = false;
    bool can_map_ = false; // the present request is the handshake, and the kernel offers shared mappings
};

} // namespace gmemfs
