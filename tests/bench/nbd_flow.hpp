// NBD flow: a client's side of one NBD connection: the handshake, and many requests in flight.
//
//     queue() queue() queue()  --one sendmsg(2)-->  server  --one recv(2)-->  done(slot), done(slot), done(slot)
//
// Each request has a slot with bytes of its own. A server that dies leaves the slots as they are: the next attach()
// sends again, in their order, what isn't answered.
#pragma once

#include "block/nbd/socket_bytes.hpp"
#include "block/nbd/wire.hpp"
#include "vmm/base/fd.hpp"
#include "vmm/base/units.hpp"

#include <algorithm>
#include <chrono>
#include <poll.h>
#include <string>
#include <sys/socket.h>
#include <sys/un.h>
#include <vector>

namespace gmemfs::bench {

inline std::int64_t now_ns() {
    const auto now = std::chrono::steady_clock::now().time_since_epoch();
    return std::chrono::duration_cast<std::chrono::nanoseconds>(now).count();
}

/// A connected socket, past the handshake, and the bytes of the disk behind it.
struct NbdSocket {
    Fd socket;
    std::uint64_t size = 0;
};

template <typename Value>
Result<Value> receive_value(const Fd &socket) {
    Value value = {};
    TRY(block::nbd::receive_bytes(socket.get(), std::as_writable_bytes(std::span(&value, 1))));
    return value;
}

/// By a Unix socket, with the option that libnbd and qemu use. EPROTO: it isn't answered as the protocol says.
inline Result<NbdSocket> connect_nbd(const std::string &path) {
    using block::nbd::Option, block::nbd::OptionReply;
    sockaddr_un address = {};
    address.sun_family = AF_UNIX;
    if (path.size() >= sizeof address.sun_path) return Error{ENAMETOOLONG, 0, "connect", path};
    path.copy(address.sun_path, path.size());
    NbdSocket made = {Fd(::socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0))};
    if (::connect(made.socket.get(), reinterpret_cast<const sockaddr *>(&address), sizeof address) != 0)
        return Error{errno, 0, "connect", path};
    constexpr int kSocketMemory = 4 * 1024 * 1024;
    ::setsockopt(made.socket.get(), SOL_SOCKET, SO_SNDBUF, &kSocketMemory, sizeof kSocketMemory);
    struct __attribute__((packed)) Greeting {
        std::uint64_t magic, option_magic;
        std::uint16_t flags;
    };
    const Greeting greeting = TRY(receive_value<Greeting>(made.socket));
    if (be64toh(greeting.magic) != block::nbd::kMagic || be64toh(greeting.option_magic) != block::nbd::kOptionMagic)
        return Error{EPROTO, 0, "connect", path + ": no NBD server"};
    struct __attribute__((packed)) { // no name, and no questions
        std::uint32_t flags = htobe32(block::nbd::kFixedNewstyle | block::nbd::kNoZeroes);
        std::uint64_t magic = htobe64(block::nbd::kOptionMagic);
        std::uint32_t option = htobe32(static_cast<std::uint32_t>(Option::go)), length = htobe32(6), name_length = 0;
        std::uint16_t count = 0;
    } const go;
    TRY(block::nbd::send_bytes(made.socket.get(), std::as_bytes(std::span(&go, 1))));
    struct __attribute__((packed)) OptionReplyHead {
        std::uint64_t magic;
        std::uint32_t option, kind, length;
    };
    for (;;) {
        const OptionReplyHead head = TRY(receive_value<OptionReplyHead>(made.socket));
        if (be64toh(head.magic) != block::nbd::kOptionReplyMagic)
            return Error{EPROTO, 0, "connect", path + ": a strange reply"};
        const auto kind = static_cast<OptionReply>(be32toh(head.kind));
        if (kind == OptionReply::ack) return made;
        std::vector<std::byte> data(std::min<std::uint32_t>(be32toh(head.length), 4096));
        TRY(block::nbd::receive_bytes(made.socket.get(), data));
        if (kind != OptionReply::info) return Error{EPROTO, 0, "connect", path + ": the server refuses"};
        if (data.size() < 10 || data[0] != std::byte(0) || data[1] != std::byte(block::nbd::kInfoExport)) continue;
        std::memcpy(&made.size, data.data() + 2, sizeof made.size);
        made.size = be64toh(made.size);
    }
}

/// How requests that are ready together are sent: by one call, or each by a call of its own, as Linux and libnbd do.
enum class Sending { together, singly };

/// Not thread-safe.
class NbdFlow {
public:
    struct Slot {
        block::nbd::Command command;
        std::uint64_t offset;
        std::span<std::byte> bytes;
        std::uint64_t order;     ///< of the request among all; 0: the slot is free
        std::int64_t started_ns; ///< when it was queued
    };

    NbdFlow(std::size_t depth, std::size_t block, Sending sending)
        : sending_(sending), memory_(depth * block), slots_(depth), heads_(depth) {
        for (std::size_t index = 0; index < depth; ++index)
            slots_[index] = {{}, 0, std::span(memory_).subspan(index * block, block), 0, 0};
    }

    /// Goes on with `socket`: requests without an answer are sent again. How many.
    std::size_t attach(Fd socket) {
        socket_ = std::move(socket);
        parts_.clear();
        sent_ = begin_ = end_ = 0;
        std::vector<std::size_t> again;
        for (std::size_t index = 0; index < slots_.size(); ++index)
            if (slots_[index].order != 0) again.push_back(index);
        std::ranges::sort(again, {}, [this](std::size_t index) { return slots_[index].order; });
        for (const std::size_t index : again) add_parts(index);
        return again.size();
    }

    std::size_t depth() const { return slots_.size(); }
    Slot &slot(std::size_t index) { return slots_[index]; }
    std::size_t in_flight() const { return in_flight_; }

    /// Of a free slot, whose bytes are what is written. exchange() sends it.
    void queue(std::size_t index, block::nbd::Command command, std::uint64_t offset, std::int64_t now) {
        Slot &slot = slots_[index];
        slot = {command, offset, slot.bytes, ++last_order_, now};
        ++in_flight_;
        add_parts(index);
    }

    /// Sends what is queued, waits for something to come, and calls done(index, code) for each answer; its slot is free
    /// by then. The caller has requests in flight. ECONNRESET, EPIPE: the server is gone. EPROTO: see connect_nbd().
    template <typename Done>
    Result<void> exchange(Done &&done) {
        TRY(send_pending());
        if (sent_ != parts_.size()) {
            pollfd wait = {socket_.get(), POLLIN | POLLOUT, 0};
            if (::poll(&wait, 1, -1) < 0 || (wait.revents & ~POLLOUT) == 0) return {};
        }
        if (begin_ != 0) std::memmove(in_.data(), in_.data() + begin_, end_ - begin_);
        end_ -= begin_;
        begin_ = 0;
        const std::size_t count = TRY(block::nbd::receive_some(socket_.get(), std::span(in_).subspan(end_)));
        if (count == 0) return Error{ECONNRESET, 0, "receive answers", "the server closed the connection"};
        end_ += count;
        while (end_ - begin_ >= sizeof(block::nbd::ReplyHead)) TRY(take_answer(done));
        return {};
    }

private:
    static constexpr std::size_t kPartsMax = 1024; // of one sendmsg(2), IOV_MAX

    void add_parts(std::size_t index) {
        const Slot &slot = slots_[index];
        heads_[index] = {htobe32(block::nbd::kRequestMagic), 0, htobe16(static_cast<std::uint16_t>(slot.command)),
            index, htobe64(slot.offset), htobe32(static_cast<std::uint32_t>(slot.bytes.size()))};
        if (sent_ == parts_.size() || sent_ > kPartsMax) {
            parts_.erase(parts_.begin(), parts_.begin() + static_cast<std::ptrdiff_t>(sent_));
            sent_ = 0;
        }
        parts_.push_back({&heads_[index], sizeof heads_[index]});
        if (slot.command == block::nbd::Command::write) parts_.push_back({slot.bytes.data(), slot.bytes.size()});
    }

    // How many parts the next call sends. A head's bytes come first, and a write's payload with it.
    std::size_t next_count() const {
        const std::size_t left = parts_.size() - sent_;
        if (sending_ == Sending::together) return std::min(left, kPartsMax);
        return left > 1 && parts_[sent_ + 1].iov_len != sizeof(block::nbd::RequestHead) ? 2 : 1;
    }

    // As much as the socket takes: a server that waits for room for its answers doesn't take more.
    Result<void> send_pending() {
        while (sent_ != parts_.size()) {
            msghdr message = {};
            message.msg_iov = parts_.data() + sent_;
            message.msg_iovlen = next_count();
            const ssize_t count = ::sendmsg(socket_.get(), &message, MSG_NOSIGNAL | MSG_DONTWAIT);
            if (count < 0 && errno == EINTR) continue;
            if (count < 0 && errno == EAGAIN) return {};
            if (count < 0) return Error{errno, 0, "send requests", {}};
            auto left = static_cast<std::size_t>(count);
            for (; sent_ != parts_.size() && left >= parts_[sent_].iov_len; ++sent_) left -= parts_[sent_].iov_len;
            if (left == 0) continue;
            parts_[sent_].iov_base = static_cast<std::byte *>(parts_[sent_].iov_base) + left;
            parts_[sent_].iov_len -= left;
        }
        return {};
    }

    template <typename Done>
    Result<void> take_answer(Done &&done) {
        block::nbd::ReplyHead head = {};
        std::memcpy(&head, in_.data() + begin_, sizeof head);
        if (be32toh(head.magic) != block::nbd::kReplyMagic || head.cookie >= slots_.size() ||
            slots_[head.cookie].order == 0)
            return Error{EPROTO, 0, "receive answers", "it is an answer to nothing"};
        begin_ += sizeof head;
        Slot &slot = slots_[head.cookie];
        const auto code = static_cast<int>(be32toh(head.error));
        if (slot.command == block::nbd::Command::read && code == 0) {
            const std::size_t known = std::min(end_ - begin_, slot.bytes.size());
            std::memcpy(slot.bytes.data(), in_.data() + begin_, known);
            begin_ += known;
            TRY(block::nbd::receive_bytes(socket_.get(), slot.bytes.subspan(known)));
        }
        slot.order = 0;
        --in_flight_;
        done(static_cast<std::size_t>(head.cookie), code);
        return {};
    }

    const Sending sending_;
    Fd socket_;
    std::vector<std::byte> memory_, in_ = std::vector<std::byte>(256 * KiB);
    std::vector<Slot> slots_;
    std::vector<block::nbd::RequestHead> heads_; // index: slot
    std::vector<iovec> parts_;
    std::size_t sent_ = 0;            // of parts_
    std::size_t begin_ = 0, end_ = 0; // of in_: what has come and isn't taken yet
    std::size_t in_flight_ = 0;
    std::uint64_t last_order_ = 0;
};

} // namespace gmemfs::bench
