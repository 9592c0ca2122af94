// Thin batch: does a batch on a thin disk, a part at a time.
//
// A read of a hole is zeros, and a discard of one is nothing. A lane that has to wait, for memory or for another lane,
// first waits for its own copies and gives back what it has taken.
#pragma once

#include "block/disk/parts.hpp"
#include "block/disk/request.hpp"
#include "vmm/base/function_view.hpp"

#include <span>
#include <vector>

namespace gmemfs::block {

/// Lives as long as one call of run(). Not thread-safe.
class ThinBatch {
public:
    /// Queues a copy, whose bytes lie in one part, from or to the address; returns 0 or the errno.
    using Queue = FunctionView<int(const Request &copy, CUdeviceptr address)>;
    /// Waits for all that was queued; false: it has failed.
    using Wait = FunctionView<bool()>;
    ThinBatch(Parts &parts, Queue queue, Wait wait) : parts_(parts), queue_(queue), wait_(wait) {}

    /// Sets the code of each request whose code is 0; the others are passed over.
    void run(std::span<Request> batch);

private:
    void run(Request &request);
    Parts::Taken take(const Parts::Piece &piece, Request &request);
    void finish();

    Parts &parts_;
    const Queue queue_;
    const Wait wait_;
    std::span<Request> unfinished_; // from the first whose copies may be under way to the one that is being queued
    std::vector<Parts::Use> taken_; // each part once
    std::vector<Request *> owners_; // of taken_: by whose fate a discard is done or has failed
};

inline bool crosses_parts(const Request &request) { return request.offset % kPartSize + request.length > kPartSize; }
/// Waits for the memory that the request's writes need, by a thread that has taken nothing; returns 0 or the errno.
int wait_for_memory(Parts &parts, const Request &request);

} // namespace gmemfs::block
