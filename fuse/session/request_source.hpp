// RequestSource: where a worker's requests come from, and where their answers go: read(2) on the FUSE device
// (ReadSource), or a ring (RingSource).
#pragma once

#include "vmm/base/result.hpp"

#include <cstddef>
#include <cstdint>
#include <span>
#include <sys/uio.h>

namespace gmemfs {

/// One worker's. Not thread-safe, but for end() and ring_requests(): all else is called on the worker's thread.
class RequestSource {
public:
    RequestSource() = default;
    virtual ~RequestSource() = default;
    RequestSource(const RequestSource &) = delete;
    RequestSource &operator=(const RequestSource &) = delete;

    /// Once, before receive(). False: no request comes this way in this session.
    virtual Result<bool> begin() = 0;
    /// Waits for a request: as the kernel meant it, in one piece, a fuse_in_header at least, there until done(). Empty:
    /// it was woken by a signal; to be asked again. ENODEV: the session has ended.
    virtual Result<std::span<std::byte>> receive() = 0;
    /// Pinned, and the place from which the answer to a read goes out without a copy. Until done().
    virtual std::span<std::byte> reply_buffer() = 0;
    /// Sends the answer to the present request, laid out for writev(2), its fuse_out_header apart. False: nobody wants
    /// it any more.
    virtual bool answer(std::span<const iovec> parts) = 0;
    /// Whether the client waits for this thread's processor: then nothing that can be left undone follows an answer.
    virtual bool shares_processor() const { return false; }
    /// The present request is served.
    virtual void done() = 0;
    /// The session is about to end: who waits elsewhere than in the kernel comes back, now and from now on.
    virtual void end() = 0;
    /// How many requests have come by the ring so far.
    virtual std::uint64_t ring_requests() const { return 0; }
};

} // namespace gmemfs
