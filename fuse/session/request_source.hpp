// RequestSource: where a worker's requests come from, and where its answers go.
//
// Requests come by read(2) on /dev/fuse (ReadSource), or by a ring (RingSource).
#pragma once

#include "vmm/base/result.hpp"

#include <cstddef>
#include <cstdint>
#include <span>
#include <sys/uio.h>

namespace gmemfs {

/// Belongs to one worker, whose thread alone calls it. Only end() and ring_requests() are thread-safe.
class RequestSource {
public:
    RequestSource() = default;
    virtual ~RequestSource() = default;
    RequestSource(const RequestSource &) = delete;
    RequestSource &operator=(const RequestSource &) = delete;

    /// Called once, before receive(). False: no request comes this way in this session.
    virtual Result<bool> begin() = 0;
    /// Waits for a request. The request is one piece, begins with a fuse_in_header, and stays until done(). Empty: a
    /// signal woke the thread; call again. ENODEV: the session has ended.
    virtual Result<std::span<std::byte>> receive() = 0;
    /// Pinned memory, from which the answer to a read goes out without a copy. Valid until done().
    virtual std::span<std::byte> reply_buffer() = 0;
    /// Sends the answer to the present request, laid out for writev(2); the first part is its fuse_out_header. False:
    /// nobody wants the answer any more.
    virtual bool answer(std::span<const iovec> parts) = 0;
    /// Whether the client runs on this thread's processor. Then the worker does nothing after an answer that can be
    /// left undone.
    virtual bool shares_processor() const { return false; }
    /// The present request is served.
    virtual void done() = 0;
    /// The session is about to end: threads that wait elsewhere than in the kernel return, now and from now on.
    virtual void end() = 0;
    /// How many requests have come by the ring so far.
    virtual std::uint64_t ring_requests() const { return 0; }
};

} // namespace gmemfs
