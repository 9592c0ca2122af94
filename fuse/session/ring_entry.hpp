// RingEntry: the memory through which one request at a time comes by a ring, and its answer returns.
//
//     | headers (RingHeaders) ...  in_header | op_in | payload, at a page's start: a write's data, a read's answer |
//     ^ the kernel writes these       ^ and we copy both headers here, so that libfuse gets the request in one piece
//
// The structures are those of Linux 6.14, include/uapi/linux/fuse.h, which Debian 12's <linux/fuse.h> lacks.
#pragma once

#include "vmm/base/limits.hpp"
#include "vmm/device/staging.hpp"

#include <linux/fuse.h>

#include <cstddef>
#include <cstdint>
#include <memory>
#include <optional>
#include <span>
#include <sys/uio.h>

namespace gmemfs {

/// fuse_uring_ent_in_out.
struct RingCommit {
    std::uint64_t flags;
    std::uint64_t commit_id; ///< names the request when its answer is committed
    std::uint32_t payload_size;
    std::uint32_t padding;
    std::uint64_t reserved;
};

/// fuse_uring_req_header.
struct RingHeaders {
    alignas(8) char in_out[128]; ///< fuse_in_header of the request, fuse_out_header of the answer
    alignas(8) char op_in[128];  ///< the operation's first argument; the others are the payload
    RingCommit commit;
};
static_assert(sizeof(RingHeaders) == 288);

/// fuse_uring_cmd_req: what a command says of its entry; in the second half of a submission of 128 bytes.
struct RingCommand {
    std::uint64_t flags;
    std::uint64_t commit_id;
    std::uint16_t queue;
    std::uint8_t padding[6];
};
static_assert(sizeof(RingCommand) == 24);

/// Belongs to one worker. Not thread-safe.
class RingEntry {
public:
    static constexpr std::size_t kHead = 4096;
    static constexpr std::size_t kPayload = kRequestMax;

    /// In memory that is pinned for `device`. ENOMEM: see PinnedBuffer::create.
    static Result<std::unique_ptr<RingEntry>> create(Device &device, unsigned queue);
    /// In ordinary memory, whose pages aren't there before they are used. For the queue of a processor that isn't
    /// online.
    static std::unique_ptr<RingEntry> create_unpinned(unsigned queue);

    unsigned queue() const { return queue_; }
    /// The two buffers, in the form in which the kernel is told of them. Valid as long as the entry.
    const iovec *buffers() const { return buffers_; }
    std::span<std::byte> payload() const { return memory_.subspan(kHead); }
    RingHeaders &headers() const { return *reinterpret_cast<RingHeaders *>(memory_.data()); }

    /// The request that the kernel has put here, in one piece. EPROTO: its sizes don't fit together.
    Result<std::span<std::byte>> take_request();
    /// Puts an answer in place. False where `parts` don't answer the request that was taken.
    bool put_answer(std::span<const iovec> parts);
    /// Answers a request that nobody has answered with the errno `code`.
    void put_error(int code);
    /// Whether a request was taken and has no answer yet.
    bool is_open() const { return unique_ != 0; }

private:
    RingEntry(unsigned queue, std::span<std::byte> memory);

    const unsigned queue_;
    std::optional<PinnedBuffer> pinned_;
    std::unique_ptr<std::byte[]> unpinned_;
    std::span<std::byte> memory_; // of one of the two
    iovec buffers_[2];
    std::uint64_t unique_ = 0;
};

} // namespace gmemfs
