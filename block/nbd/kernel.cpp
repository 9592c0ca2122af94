#include "block/nbd/kernel.hpp"

#include <array>
#include <cstring>
#include <linux/genetlink.h>
#include <linux/nbd-netlink.h>
#include <linux/netlink.h>
#include <optional>
#include <string_view>
#include <sys/socket.h>

namespace gmemfs::block::nbd {
namespace {

constexpr std::size_t kMessageMax = 4096;

/// A generic netlink message that is being written.
class Message {
public:
    Message(std::uint16_t family, std::uint8_t command, std::uint8_t version) {
        auto &head = *reinterpret_cast<nlmsghdr *>(bytes_.data());
        head = {NLMSG_LENGTH(GENL_HDRLEN), family, NLM_F_REQUEST | NLM_F_ACK, 1, 0};
        *static_cast<genlmsghdr *>(NLMSG_DATA(&head)) = {command, version, 0};
    }
    template <typename Value>
    void add(std::uint16_t kind, const Value &value) {
        add_bytes(kind, &value, sizeof value);
    }
    void add_text(std::uint16_t kind, std::string_view text) {
        add_bytes(kind, text.data(), text.size() + 1); // a literal, so a zero follows
    }
    /// Where an attribute that holds others begins; end() has its length filled in.
    std::size_t begin(std::uint16_t kind) {
        const std::size_t start = size();
        add_bytes(kind | NLA_F_NESTED, nullptr, 0);
        return start;
    }
    void end(std::size_t start) {
        auto &attribute = *reinterpret_cast<nlattr *>(bytes_.data() + start);
        attribute.nla_len = static_cast<std::uint16_t>(size() - start);
    }
    std::span<const std::byte> bytes() const { return std::span(bytes_).first(size()); }

private:
    std::uint32_t size() const { return reinterpret_cast<const nlmsghdr *>(bytes_.data())->nlmsg_len; }
    void add_bytes(int kind, const void *value, std::size_t length) {
        auto &head = *reinterpret_cast<nlmsghdr *>(bytes_.data());
        const std::size_t whole = NLA_HDRLEN + length;
        GMEMFS_ASSERT(head.nlmsg_len + NLA_ALIGN(whole) <= bytes_.size());
        auto &attribute = *reinterpret_cast<nlattr *>(bytes_.data() + head.nlmsg_len);
        attribute = {static_cast<std::uint16_t>(whole), static_cast<std::uint16_t>(kind)};
        if (length != 0) std::memcpy(bytes_.data() + head.nlmsg_len + NLA_HDRLEN, value, length);
        head.nlmsg_len += static_cast<std::uint32_t>(NLA_ALIGN(whole));
    }

    alignas(nlmsghdr) std::array<std::byte, kMessageMax> bytes_ = {};
};

// The value of the first attribute of `kind` in an answer.
template <typename Value>
std::optional<Value> find(std::span<const std::byte> attributes, int kind) {
    while (attributes.size() >= NLA_HDRLEN) {
        nlattr attribute = {};
        std::memcpy(&attribute, attributes.data(), sizeof attribute);
        if (attribute.nla_len < NLA_HDRLEN || attribute.nla_len > attributes.size()) break;
        Value value = {};
        if ((attribute.nla_type & NLA_TYPE_MASK) == kind && attribute.nla_len >= NLA_HDRLEN + sizeof value) {
            std::memcpy(&value, attributes.data() + NLA_HDRLEN, sizeof value);
            return value;
        }
        attributes = attributes.subspan(std::min<std::size_t>(NLA_ALIGN(attribute.nla_len), attributes.size()));
    }
    return {};
}

/// What came before the acknowledgement, if anything did.
struct Answer {
    std::array<std::byte, kMessageMax> bytes;
    std::size_t size = 0; // of the attributes
    std::span<const std::byte> attributes() const { return std::span(bytes).first(size); }
};

Result<void> exchange(int socket, const Message &message, Answer &answer, const char *doing) {
    if (::send(socket, message.bytes().data(), message.bytes().size(), 0) < 0) return Error{errno, 0, doing};
    alignas(nlmsghdr) std::array<std::byte, kMessageMax> bytes;
    for (;;) {
        const ssize_t count = ::recv(socket, bytes.data(), bytes.size(), 0);
        if (count < 0 && errno == EINTR) continue;
        if (count < 0) return Error{errno, 0, doing};
        auto left = static_cast<unsigned>(count);
        for (auto *head = reinterpret_cast<nlmsghdr *>(bytes.data()); NLMSG_OK(head, left);
             head = NLMSG_NEXT(head, left)) {
            if (head->nlmsg_type == NLMSG_ERROR) {
                const int code = -static_cast<nlmsgerr *>(NLMSG_DATA(head))->error;
                return code == 0 ? Result<void>() : Error{code, 0, doing};
            }
            const std::size_t skipped = NLMSG_HDRLEN + GENL_HDRLEN;
            if (head->nlmsg_len < skipped) continue;
            answer.size = head->nlmsg_len - skipped;
            std::memcpy(answer.bytes.data(), reinterpret_cast<std::byte *>(head) + skipped, answer.size);
        }
    }
}

void add_sockets(Message &message, std::span<const int> sockets) {
    const std::size_t list = message.begin(NBD_ATTR_SOCKETS);
    for (const int socket : sockets) {
        const std::size_t item = message.begin(NBD_SOCK_ITEM);
        message.add(NBD_SOCK_FD, static_cast<std::uint32_t>(socket));
        message.end(item);
    }
    message.end(list);
}

} // namespace

Result<Kernel> Kernel::create() {
    Fd socket(::socket(AF_NETLINK, SOCK_RAW | SOCK_CLOEXEC, NETLINK_GENERIC));
    if (!socket) return Error{errno, 0, "reach the kernel's nbd driver"};
    Message message(GENL_ID_CTRL, CTRL_CMD_GETFAMILY, 1);
    message.add_text(CTRL_ATTR_FAMILY_NAME, NBD_GENL_FAMILY_NAME);
    Answer answer = {};
    const Result<void> asked = exchange(socket.get(), message, answer, "reach the kernel's nbd driver");
    const auto family = find<std::uint16_t>(answer.attributes(), CTRL_ATTR_FAMILY_ID);
    if (!asked && asked.error().code != ENOENT) return Error(asked.error());
    if (!asked || !family)
        return Error{
            ENOENT, 0, "reach the kernel's nbd driver", "it isn't loaded, or this kernel has none: modprobe nbd"};
    return Kernel(std::move(socket), *family);
}

Result<int> Kernel::connect(int number, const Export &exported, const Times &times, std::span<const int> sockets) {
    Message message(family_, NBD_CMD_CONNECT, NBD_GENL_VERSION);
    if (number >= 0) message.add(NBD_ATTR_INDEX, static_cast<std::uint32_t>(number));
    message.add(NBD_ATTR_SIZE_BYTES, exported.size);
    message.add(NBD_ATTR_BLOCK_SIZE_BYTES, std::uint64_t(kPreferredSize));
    message.add(NBD_ATTR_SERVER_FLAGS, std::uint64_t(exported.flags));
    message.add(NBD_ATTR_TIMEOUT, std::uint64_t(times.request.count()));
    message.add(NBD_ATTR_DEAD_CONN_TIMEOUT, std::uint64_t(times.dead.count()));
    add_sockets(message, sockets);
    Answer answer = {};
    TRY(exchange(socket_.get(), message, answer, "connect the nbd device"));
    const auto index = find<std::uint32_t>(answer.attributes(), NBD_ATTR_INDEX);
    if (!index) return Error{EPROTO, 0, "connect the nbd device", "the kernel doesn't say which one it is"};
    return static_cast<int>(*index);
}

Result<void> Kernel::reconnect(int number, std::span<const int> sockets) {
    Message message(family_, NBD_CMD_RECONFIGURE, NBD_GENL_VERSION);
    message.add(NBD_ATTR_INDEX, static_cast<std::uint32_t>(number));
    add_sockets(message, sockets);
    Answer answer = {};
    return exchange(socket_.get(), message, answer, "connect the nbd device again");
}

Result<void> Kernel::disconnect(int number) {
    Message message(family_, NBD_CMD_DISCONNECT, NBD_GENL_VERSION);
    message.add(NBD_ATTR_INDEX, static_cast<std::uint32_t>(number));
    Answer answer = {};
    return exchange(socket_.get(), message, answer, "disconnect the nbd device");
}

} // namespace gmemfs::block::nbd
