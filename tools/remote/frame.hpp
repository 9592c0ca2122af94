// Frame: one message between gmemfs on two hosts; and the pipe that frames go through, ssh's standard input and output.
//
//     length 4 | kind 1 | body        length: of the body, little-endian
//
// Only bulk data (FrameKind::data) makes up a stream's volume; it is written from where it lies, and read to where it
// is to be. What comes from the other host is trusted in nothing: see message.hpp.
#pragma once

#include "vmm/base/fd.hpp"
#include "vmm/base/lock.hpp"
#include "vmm/base/result.hpp"
#include "vmm/base/units.hpp"

#include <cstddef>
#include <cstdint>
#include <span>
#include <vector>

namespace gmemfs {

/// R: the receiver says it, S: the source does.
enum class FrameKind : std::uint8_t {
    hello = 1,   ///< both, first: versions
    list = 2,    ///< R: the names at a path
    entry = 3,   ///< S: one name
    warning = 4, ///< S: a line about something that is left out
    listed = 5,  ///< S: that were all names
    fetch = 6,   ///< R: a file
    coming = 7,  ///< S: what of it is to come, and how
    data = 8,    ///< S: some of its bytes
    taken = 9,   ///< R: the bytes that come by another way are all here
    sent = 10,   ///< S: the file's end: its digest, or why there is none
    failed = 11, ///< both, last: why this ends
    land = 12,   ///< S of a push, first: where the receiver is to put what it fetches
    done = 13,   ///< R of a push, last: what came of it
    watch = 14,  ///< R: tell when the names or files aren't as they were listed
    changed = 15 ///< S: they aren't
};

/// The largest body: 1 MiB of data, or the digests of a file's pieces, and what says which.
inline constexpr std::size_t kFrameMost = 1 * MiB + 64;

struct Frame {
    FrameKind kind = FrameKind::failed;
    std::vector<std::byte> body;
};

/// Owner of the two descriptors. One thread receives; any thread sends.
class FramePipe {
public:
    FramePipe(Fd in, Fd out) : in_(std::move(in)), out_(std::move(out)) {}

    /// The next frame, in `frame`, whose body keeps its memory. EPIPE: the other side has ended. EPROTO: no frame.
    /// EINTR: the user has interrupted.
    Result<void> receive(Frame &frame);
    /// `body` and then `bulk`, as one body. EPIPE, EINTR.
    Result<void> send(FrameKind kind, std::span<const std::byte> body, std::span<const std::byte> bulk)
        EXCLUDES(mutex_);
    Result<void> send(FrameKind kind, std::span<const std::byte> body) EXCLUDES(mutex_) { return send(kind, body, {}); }
    /// Readable when the other side has said something, or has ended.
    int incoming_fd() const { return in_.get(); }
    /// The other side reads the end of the stream.
    void close_sending() EXCLUDES(mutex_);

private:
    Result<std::size_t> read(std::span<std::byte> bytes) const;

    const Fd in_;
    Mutex mutex_;
    Fd out_ GUARDED_BY(mutex_);
};

} // namespace gmemfs
