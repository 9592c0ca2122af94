#include "block/nbd/connection.hpp"

#include "block/nbd/socket_bytes.hpp"

#include <algorithm>
#include <cstring>

namespace gmemfs::block::nbd {
namespace {

Request::Kind clearing_kind(const Head &head) {
    const bool keeps_memory = head.command == Command::zero && (head.flags & kNoHole) != 0;
    return keeps_memory ? Request::Kind::zero : Request::Kind::discard;
}

} // namespace

Connection::Connection(Lane &lane)
    : lane_(lane), in_(lane.memory().first(kMemory / 2)), out_(lane.memory().subspan(kMemory / 2, kMemory / 2)) {}

Result<void> Connection::serve(int socket) {
    socket_ = socket;
    begin_ = end_ = 0; // what the last client hadn't sent whole comes again
    batch_count_ = pending_count_ = out_used_ = 0;
    for (;;) {
        const Next next = gather();
        if (pending_count_ != 0) {
            TRY(answer_batch());
            continue; // what came meanwhile in the same buffer
        }
        if (next == Next::end) {
            has_said_goodbye_ = true;
            return {};
        }
        if (next == Next::more) {
            if (!TRY(receive_more())) return {};
            continue;
        }
        // A request by itself, with more bytes than a half of the memory.
        const Head head = parse_head(in_.subspan(begin_));
        if (!head.is_sound) return Error{EPROTO, 0, "serve the client", "it sent no request of the NBD protocol"};
        begin_ += sizeof(RequestHead);
        TRY(serve_long(head));
    }
}

// Takes whole requests out of the buffer, as many as one batch has room for.
Connection::Next Connection::gather() {
    for (;;) {
        if (pending_count_ == kBatchMax) return Next::full;
        if (unread() < sizeof(RequestHead)) return Next::more;
        const Head head = parse_head(in_.subspan(begin_));
        if (!head.is_sound) return Next::full; // which serve() tells, once what came before is answered
        if (head.command == Command::disconnect) return Next::end;
        const std::size_t payload = head.command == Command::write ? head.length : 0;
        if (sizeof(RequestHead) + payload > in_.size()) return Next::full;
        if (unread() < sizeof(RequestHead) + payload) return Next::more;
        if (const Next next = take(head, payload); next == Next::full) return next;
    }
}

// `full`: the batch has no room for it, and it is still in the buffer.
Connection::Next Connection::take(const Head &head, std::size_t payload) {
    const int code = check(head);
    const bool is_read = head.command == Command::read && code == 0;
    if (is_read && head.length > out_.size() - out_used_) return Next::full;
    std::byte *const bytes = in_.data() + begin_ + sizeof(RequestHead);
    begin_ += sizeof(RequestHead) + payload;
    Request *request = nullptr;
    if (code == 0 && head.length != 0) {
        switch (head.command) {
        case Command::read:
            request = add_request(Request::Kind::read, head, out_.data() + out_used_);
            out_used_ += head.length;
            break;
        case Command::write: request = add_request(Request::Kind::write, head, bytes); break;
        case Command::trim:
        case Command::zero: request = add_request(clearing_kind(head), head, nullptr); break;
        case Command::flush:
        case Command::cache:
        case Command::disconnect: break; // nothing is kept anywhere else
        }
    }
    pending_[pending_count_++] = {head.cookie, code, request, {}};
    return Next::more;
}

Request *Connection::add_request(Request::Kind kind, const Head &head, std::byte *bytes) {
    batch_[batch_count_] = {kind, head.offset, head.length, bytes, 0};
    return &batch_[batch_count_++];
}

// With checksums, requests are whole blocks, as the client was told.
int Connection::check(const Head &head) const {
    if (const int code = check_head(head, lane_.disk().size()); code != 0) return code;
    const bool has_bytes = head.command != Command::flush && head.command != Command::cache;
    const bool is_whole = head.offset % kCheckedSize == 0 && head.length % kCheckedSize == 0;
    return has_bytes && !is_whole && lane_.disk().checksums() != nullptr ? EINVAL : 0;
}

Result<void> Connection::answer_batch() {
    lane_.run({batch_.data(), batch_count_});
    std::size_t parts = 0;
    for (Pending &pending : std::span(pending_).first(pending_count_)) {
        const Request *const request = pending.request;
        const int code = request != nullptr ? request->code : pending.code;
        pending.head = {htobe32(kReplyMagic), htobe32(error_of(code)), pending.cookie};
        parts_[parts++] = {&pending.head, sizeof pending.head};
        if (code == 0 && request != nullptr && request->kind == Request::Kind::read)
            parts_[parts++] = {request->bytes, request->length};
    }
    batch_count_ = pending_count_ = out_used_ = 0;
    TRY(send_parts(socket_, std::span(parts_).first(parts)));
    if (lane_.disk().has_failed()) return Error{EIO, 0, "serve the client", "the device has failed"};
    return {};
}

// False: the client has closed the connection between two requests.
Result<bool> Connection::receive_more() {
    constexpr std::size_t kRoom = 64 * KiB; // less isn't worth a call
    if (begin_ == end_) begin_ = end_ = 0;
    std::size_t needed = sizeof(RequestHead);
    if (unread() >= needed) needed += parse_head(in_.subspan(begin_)).length; // of a write that isn't whole yet
    if (begin_ != 0 && (begin_ + needed > in_.size() || in_.size() - end_ < kRoom)) {
        std::memmove(in_.data(), in_.data() + begin_, unread());
        end_ -= begin_;
        begin_ = 0;
    }
    const std::size_t count = TRY(receive_some(socket_, in_.subspan(end_)));
    if (count == 0 && unread() != 0)
        return Error{ECONNRESET, 0, "serve the client", "it closed the connection in the middle of a request"};
    end_ += count;
    return count != 0;
}

Result<void> Connection::serve_long(const Head &head) {
    GMEMFS_ASSERT(head.command == Command::write || head.command == Command::read);
    return head.command == Command::write ? write_long(head) : read_long(head);
}

// Its payload is taken to its end whatever fails, because the next request stands behind it.
Result<void> Connection::write_long(const Head &head) {
    int code = check(head);
    std::uint64_t done = 0;
    while (done < head.length) {
        const std::uint64_t length = std::min<std::uint64_t>(head.length - done, out_.size());
        const std::span<std::byte> bytes = out_.first(length);
        const std::size_t known = std::min<std::size_t>(unread(), length);
        std::memcpy(bytes.data(), in_.data() + begin_, known);
        begin_ += known;
        TRY(receive_bytes(socket_, bytes.subspan(known)));
        Request request = {Request::Kind::write, head.offset + done, length, bytes.data(), 0};
        if (code == 0) lane_.run({&request, 1});
        if (code == 0) code = request.code;
        done += length;
    }
    return reply(head, code);
}

Result<void> Connection::read_long(const Head &head) {
    for (std::uint64_t done = 0; done < head.length;) {
        const std::uint64_t length = std::min<std::uint64_t>(head.length - done, out_.size());
        Request request = {Request::Kind::read, head.offset + done, length, out_.data(), 0};
        lane_.run({&request, 1});
        if (done == 0) TRY(reply(head, request.code));
        if (request.code != 0 && done == 0) return {};
        if (request.code != 0) return Error{request.code, 0, "serve the client", "in the middle of a long read"};
        TRY(send_bytes(socket_, out_.first(length)));
        done += length;
    }
    return {};
}

Result<void> Connection::reply(const Head &head, int code) {
    const ReplyHead told = {htobe32(kReplyMagic), htobe32(error_of(code)), head.cookie};
    return send_bytes(socket_, std::as_bytes(std::span(&told, 1)));
}

} // namespace gmemfs::block::nbd
