// Dialect: what the kernel's FUSE speaks and libfuse 3.14 doesn't, translated for the one and the other.
//
// That is: shared mappings of files opened for direct I/O (Linux 6.6), set-ID bits that the filesystem takes away,
// files without a name by O_TMPFILE (Linux 6.1), another kind of copy_file_range (Linux 6.18), and requests by io_uring
// (Linux 6.14).
//
// A worker shows the Dialect each request before libfuse reads it, and libfuse's answer to the handshake before that is
// sent. So the answer gets more flags. FUSE_TMPFILE is served as the FUSE_CREATE that it looks like, by an operation
// that asks wants_no_name() first.
#pragma once

#include "fuse/session/handshake.hpp"

#include <cstddef>
#include <cstdint>
#include <optional>
#include <span>

namespace gmemfs {

/// Knows one worker's present request. Not thread-safe.
class Dialect {
public:
    explicit Dialect(Handshake &handshake) : handshake_(handshake) {}

    /// Looks at a whole request as the kernel sent it, and may change its header.
    void hear(std::span<std::byte> request);
    /// The present request is a FUSE_CREATE that was a FUSE_TMPFILE: its file gets no name.
    bool wants_no_name() const { return wants_no_name_; }
    /// The present request is a FUSE_COPY_FILE_RANGE that was a FUSE_COPY_FILE_RANGE_64: its answer has 64 bits.
    bool has_long_count() const { return has_long_count_; }

    /// The present request is FUSE_INIT.
    bool is_handshake() const { return is_handshake_; }
    /// The present request is FUSE_INTERRUPT.
    bool is_interrupt() const { return is_interrupt_; }

    /// Adds to `answer`, libfuse's answer after its header, the flags of the kernel's offer that gmemfs takes besides.
    /// Returns the transport that is agreed on once the kernel has this answer; nothing where the request is no
    /// handshake.
    std::optional<Transport> greet(std::span<std::byte> answer);
    /// The kernel has got that answer.
    void greeted(Transport agreed) { handshake_.agree(agreed); }

private:
    Handshake &handshake_;
    bool wants_no_name_ = false;
    bool has_long_count_ = false;
    bool is_interrupt_ = false;
    bool is_handshake_ = false;   // the present request is FUSE_INIT, and this is what the kernel offers in it
    bool offers_set_ids_ = false; // to leave set-ID bits to us
    std::uint32_t offered_ = 0;   // of the second word of flags
};

} // namespace gmemfs
