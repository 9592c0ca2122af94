#include "block/nbd/negotiation.hpp"

#include "block/nbd/socket_bytes.hpp"

#include <array>
#include <string_view>
#include <vector>

namespace gmemfs::block::nbd {
namespace {

constexpr std::uint32_t kOptionMax = 8192; // a name of 4096 bytes, and what may come with it
constexpr std::size_t kZeroes = 124;       // behind the answer to an option of 2011

struct __attribute__((packed)) Greeting {
    std::uint64_t magic = htobe64(kMagic), option_magic = htobe64(kOptionMagic);
    std::uint16_t flags = htobe16(kFixedNewstyle | kNoZeroes);
};
struct __attribute__((packed)) OptionHead {
    std::uint64_t magic;
    std::uint32_t option, length;
};
struct __attribute__((packed)) OptionReplyHead {
    std::uint64_t magic = htobe64(kOptionReplyMagic);
    std::uint32_t option, kind, length;
};
struct __attribute__((packed)) ExportInfo {
    std::uint16_t kind = htobe16(kInfoExport);
    std::uint64_t size;
    std::uint16_t flags;
};
struct __attribute__((packed)) BlockSizeInfo {
    std::uint16_t kind = htobe16(kInfoBlockSize);
    std::uint32_t smallest, preferred = htobe32(kPreferredSize), largest = htobe32(kLargestSize);
};

template <typename Value>
std::span<const std::byte> bytes_of(const Value &value) {
    return std::as_bytes(std::span(&value, 1));
}

Result<void> reply(int socket, std::uint32_t option, OptionReply kind, std::span<const std::byte> data) {
    const OptionReplyHead head = {.option = htobe32(option),
        .kind = htobe32(static_cast<std::uint32_t>(kind)),
        .length = htobe32(static_cast<std::uint32_t>(data.size()))};
    TRY(send_bytes(socket, bytes_of(head)));
    return send_bytes(socket, data);
}

Result<void> refuse(int socket, std::uint32_t option, OptionReply kind, std::string_view text) {
    return reply(socket, option, kind, std::as_bytes(std::span(text)));
}

// Data of NBD_OPT_INFO and NBD_OPT_GO: length of the name, the name, how many numbers, the numbers.
bool is_info_request(std::span<const std::byte> data) {
    std::uint32_t length = 0;
    if (data.size() < sizeof length + sizeof(std::uint16_t)) return false;
    std::memcpy(&length, data.data(), sizeof length);
    length = be32toh(length);
    if (length > data.size() - sizeof length - sizeof(std::uint16_t)) return false;
    std::uint16_t count = 0;
    std::memcpy(&count, data.data() + sizeof length + length, sizeof count);
    return data.size() == sizeof length + length + sizeof count + be16toh(count) * sizeof(std::uint16_t);
}

Result<void> describe_to(int socket, std::uint32_t option, const Export &exported) {
    const ExportInfo info = {.size = htobe64(exported.size), .flags = htobe16(exported.flags)};
    const BlockSizeInfo sizes = {.smallest = htobe32(exported.smallest)};
    TRY(reply(socket, option, OptionReply::info, bytes_of(info)));
    TRY(reply(socket, option, OptionReply::info, bytes_of(sizes)));
    return reply(socket, option, OptionReply::ack, {});
}

Result<void> list(int socket, std::uint32_t option, std::span<const std::byte> data) {
    if (!data.empty()) return refuse(socket, option, OptionReply::invalid, "a list takes no data");
    constexpr std::uint32_t kNoName = 0; // the one export's name is empty
    TRY(reply(socket, option, OptionReply::server, bytes_of(kNoName)));
    return reply(socket, option, OptionReply::ack, {});
}

// The option of 2011: its answer has no head, and an error can't be told.
Result<void> describe_old(int socket, const Export &exported, std::uint32_t client_flags) {
    struct __attribute__((packed)) {
        std::uint64_t size;
        std::uint16_t flags;
    } const told = {htobe64(exported.size), htobe16(exported.flags)};
    TRY(send_bytes(socket, bytes_of(told)));
    static constexpr std::array<std::byte, kZeroes> kNothing = {};
    if ((client_flags & kNoZeroes) == 0) TRY(send_bytes(socket, kNothing));
    return {};
}

} // namespace

Result<Wish> negotiate(int socket, const Export &exported) {
    TRY(send_bytes(socket, bytes_of(Greeting())));
    std::uint32_t client_flags = 0;
    TRY(receive_bytes(socket, std::as_writable_bytes(std::span(&client_flags, 1))));
    client_flags = be32toh(client_flags);
    if ((client_flags & ~std::uint32_t(kFixedNewstyle | kNoZeroes)) != 0)
        return Error{EPROTO, 0, "negotiate", "the client has flags that this server didn't offer"};
    std::vector<std::byte> data;
    for (;;) {
        OptionHead head = {};
        TRY(receive_bytes(socket, std::as_writable_bytes(std::span(&head, 1))));
        const std::uint32_t option = be32toh(head.option), length = be32toh(head.length);
        if (be64toh(head.magic) != kOptionMagic || length > kOptionMax)
            return Error{EPROTO, 0, "negotiate", "the client sent no option of the NBD protocol"};
        data.resize(length);
        TRY(receive_bytes(socket, data));
        switch (static_cast<Option>(option)) {
        case Option::export_name: TRY(describe_old(socket, exported, client_flags)); return Wish::requests;
        case Option::abort: (void)reply(socket, option, OptionReply::ack, {}); return Wish::nothing;
        case Option::list: TRY(list(socket, option, data)); break;
        case Option::info:
        case Option::go:
            if (!is_info_request(data)) {
                TRY(refuse(socket, option, OptionReply::invalid, "its lengths contradict each other"));
                break;
            }
            TRY(describe_to(socket, option, exported));
            if (static_cast<Option>(option) == Option::go) return Wish::requests;
            break;
        default: TRY(refuse(socket, option, OptionReply::unsupported, "gmemfs doesn't have this option")); break;
        }
    }
}

} // namespace gmemfs::block::nbd
