// RingSource: takes requests by io_uring (Linux 6.14 and later, CONFIG_FUSE_IO_URING) into pinned memory.
//
//     receive() ── io_uring_enter: commits the answer to the last request, and waits for the next one ──> kernel
//
// A request takes one system call, where read(2) and writev(2) are two, and is served on the processor that the client
// runs on. The ring is gmemfs' own. libfuse only parses, and takes a request as one contiguous piece.
//
// The kernel doesn't ask again for a request that is in a ring when the server dies, because FUSE_NOTIFY_RESEND covers
// /dev/fuse's lists alone. So a mount with rings has no supervisor (docs/keeper.md).
#pragma once

#include "fuse/session/handshake.hpp"
#include "fuse/session/request_source.hpp"
#include "fuse/session/ring_entry.hpp"
#include "fuse/session/ring_plan.hpp"
#include "fuse/session/session.hpp"

#include <liburing.h>

#include <atomic>
#include <memory>
#include <vector>

namespace gmemfs {

class RingSource final : public RequestSource {
public:
    /// `handshake` is the session's, and outlives the source. Errors: see check_rings().
    static Result<std::unique_ptr<RequestSource>> create(
        Device &device, Session &session, Handshake &handshake, const RingPlan &plan);
    ~RingSource() override { io_uring_queue_exit(&ring_); }

    /// Waits for the handshake, and then tells the kernel of each entry.
    Result<bool> begin() override;
    /// EPROTO, or the kernel's errno: the session can't go on.
    Result<std::span<std::byte>> receive() override;
    std::span<std::byte> reply_buffer() override { return present_->payload(); }
    /// The next receive() commits it.
    bool answer(std::span<const iovec> parts) override;
    bool shares_processor() const override { return processor_.has_value(); }
    void done() override;
    void end() override { handshake_.end(); }
    std::uint64_t ring_requests() const override { return requests_.load(std::memory_order_relaxed); }

private:
    enum class Command : std::uint32_t { register_entry = 1, commit_and_fetch = 2 }; // FUSE_IO_URING_CMD_...
    RingSource(io_uring ring, Session &session, Handshake &handshake, std::optional<unsigned> processor)
        : ring_(ring), session_(session), handshake_(handshake), processor_(processor) {}
    void bind() const;
    void prepare(RingEntry &entry, Command command);

    io_uring ring_;
    Session &session_;
    Handshake &handshake_;
    const std::optional<unsigned> processor_;
    std::vector<std::unique_ptr<RingEntry>> entries_;
    RingEntry *present_ = nullptr; // the one whose request is served
    alignas(64) std::atomic<std::uint64_t> requests_ = 0;
};

/// Checks that this machine has what rings need. ENOTSUP: the kernel lacks them, or they are switched off; the message
/// says what to do. Else io_uring_setup(2)'s errno.
Result<void> check_rings(const char *parameter = "/sys/module/fuse/parameters/enable_uring");

} // namespace gmemfs
