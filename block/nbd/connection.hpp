// Connection: serves the requests of one NBD client, from the end of the handshake to the end of the connection.
//
//     socket --recv--> | head | payload | head | head | payl   the lane's pinned memory: what is whole is a batch,
//                                                              copied to the device from where it lies
//     socket <-sendmsg-- heads of replies, and what the device copied into the other half
//
// One recv(2) brings as many requests as the client has sent; they are queued on the lane's stream and waited for once.
#pragma once

#include "block/disk/lane.hpp"
#include "block/nbd/wire.hpp"
#include "vmm/base/result.hpp"

#include <array>
#include <span>
#include <sys/uio.h>

namespace gmemfs::block::nbd {

/// Takes no memory while it serves. Not thread-safe.
class Connection {
public:
    /// `lane`'s memory is this connection's while it lives; kMemory bytes or more.
    explicit Connection(Lane &lane);
    static constexpr std::size_t kMemory = 8 * 1024 * 1024;

    /// Serves the connected stream socket. Returns when the client has said goodbye or has closed the connection
    /// between two requests. ECONNRESET: it closed in the middle of one. EPROTO: what came is no request. EIO: the
    /// device has failed for good, so that nothing more can be served here; or the rest of a long read has failed,
    /// which can't be told otherwise.
    Result<void> serve(int socket);
    /// Whether the client has ended the last connection as the protocol wants it.
    bool has_said_goodbye() const { return has_said_goodbye_; }

private:
    static constexpr std::size_t kBatchMax = 128;

    struct Pending {
        std::uint64_t cookie;
        int code;
        Request *request; // of the batch; null where the answer needs none
        ReplyHead head;
    };
    enum class Next : std::uint8_t { more, full, end }; // of what is in the buffer: wait for more, serve, leave

    Next gather();
    Next take(const Head &head, std::size_t payload);
    int check(const Head &head) const;
    Request *add_request(Request::Kind kind, const Head &head, std::byte *bytes);
    Result<void> answer_batch();
    Result<bool> receive_more();
    Result<void> serve_long(const Head &head);
    Result<void> write_long(const Head &head);
    Result<void> read_long(const Head &head);
    Result<void> reply(const Head &head, int code);
    std::size_t unread() const { return end_ - begin_; }

    int socket_ = -1;
    Lane &lane_;
    const std::span<std::byte> in_, out_;
    bool has_said_goodbye_ = false;
    std::size_t begin_ = 0, end_ = 0; // what was received and isn't taken yet
    std::size_t out_used_ = 0;
    std::array<Request, kBatchMax> batch_;
    std::size_t batch_count_ = 0;
    std::array<Pending, kBatchMax> pending_;
    std::size_t pending_count_ = 0;
    std::array<iovec, 2 * kBatchMax> parts_;
};

} // namespace gmemfs::block::nbd
