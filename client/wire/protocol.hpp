// Protocol: the messages between a peer and the broker (docs/broker.md).
//
// Messages are fixed structs in the machine's byte order. Each is one message of a SOCK_SEQPACKET socket, so that none
// is ever half there.
//
//     peer: Attach (a ticket, which handles it can import, the lease that it wants)
//     broker: Answer + ExtentRecord[count], as many messages as it takes; a descriptor for each record that says so
//     peer: Release (the lease), or an end of the connection
//     broker: Answer
//     peer: Attach of a directory (Kind::attach_directory)
//     broker: Entry + ExtentRecord[count] for each file in it, as many messages as it takes; an Answer where it has
//     none
//     peer: Donate (a directory's ticket, a name, memory that the peer has made), with the memory's descriptor
//     broker: Answer; the file is there, and the peer holds a lease on it. Release: the peer has freed the memory
#pragma once

#include "vmm/base/limits.hpp"
#include "vmm/base/result.hpp"

#include <array>
#include <cstdint>
#include <cstring>
#include <span>
#include <string>
#include <string_view>
#include <variant>
#include <vector>

namespace gmemfs::protocol {

inline constexpr std::uint32_t kMagic = 0x53464d47; ///< "GMFS" as bytes on a little-endian machine
inline constexpr std::uint16_t kVersion = 1;
/// The socket's name: found in every directory of the mount, listed in none.
inline constexpr std::string_view kSocketName = ".gmemfs.socket";
/// The attribute whose value names a file to the broker. Only users who may read and write the file can read it.
inline constexpr const char *kTicketAttribute = "user.gmemfs.ticket";
inline constexpr const char *kSocketAttribute = "user.gmemfs.socket";

inline constexpr std::size_t kTicketSize = 24;
using Ticket = std::array<std::uint8_t, kTicketSize>; ///< opaque to peers

enum class Kind : std::uint16_t {
    attach = 1,
    release = 2,
    answer = 3,
    attach_directory = 4,
    entry = 5,
    donate = 6,
    attach_near = 7
};

/// Bits of Attach::handle_types and ExtentRecord::handle_type.
inline constexpr std::uint32_t kFabric = 1;
inline constexpr std::uint32_t kDescriptor = 2;
/// Bits of Attach::lease.
inline constexpr std::uint32_t kWriteLease = 1;
inline constexpr std::uint32_t kExclusiveLease = 2;
/// The request is made once more, on another connection, because the first one ended before the answer came. A lease
/// that was granted for that answer ends.
inline constexpr std::uint32_t kRepeated = std::uint32_t(1) << 31;

/// Bits of Donate::flags. The file outlives the peer's process; else it goes with it.
inline constexpr std::uint32_t kKeepAtEnd = 1;
/// The directory is the peer's process's own: it goes with that where nothing is left in it.
inline constexpr std::uint32_t kOwnDirectory = 2;

struct Header {
    std::uint32_t magic;
    std::uint16_t version;
    Kind kind;
    std::uint32_t size; ///< bytes of the whole message
    std::uint32_t reserved;
};

struct Attach {
    Header header;
    Ticket ticket;
    std::uint32_t handle_types; ///< what the peer can import
    std::uint32_t lease;
};

/// For reading, of the copy that the file has on a device (user.gmemfs.replicas), or else of the file's own memory. An
/// older server answers EPROTO.
struct AttachNear {
    Attach attach;
    std::array<std::uint8_t, 16> device; ///< UUID
};

struct Release {
    Header header;
    std::uint64_t lease; ///< as Answer has it
};

/// Device memory that the peer has made, and keeps using, becomes a new file. An older server answers EPROTO.
struct Donate {
    Header header;
    Ticket ticket;                       ///< the directory's
    std::array<std::uint8_t, 16> device; ///< UUID
    std::uint64_t size;                  ///< bytes of the whole allocation
    std::uint32_t flags;                 ///< kKeepAtEnd, kOwnDirectory, kRepeated
    std::uint32_t reserved;
    std::array<char, kNameMax + 1> name; ///< in the directory; ends in a zero
};

struct ExtentRecord {
    std::uint64_t offset, length;        ///< bytes, in the file
    std::uint64_t id;                    ///< of the extent; never used twice while the server lives
    std::array<std::uint8_t, 16> device; ///< UUID
    std::uint32_t handle_type; ///< kFabric: `fabric` holds the handle; kDescriptor: one descriptor is attached
    std::uint32_t reserved;
    std::array<std::byte, kFabricHandleSize> fabric;
};

struct Answer {
    Header header;
    std::int32_t code;          ///< 0, or the errno
    std::uint32_t extent_count; ///< of the file
    std::uint32_t first, count; ///< which of them this message holds
    std::uint64_t lease;        ///< its number
    std::uint64_t size;         ///< bytes of the file
    std::uint64_t allocated;    ///< bytes of all extents
    std::array<char, 160> text; ///< what failed and what to do; ends in a zero
};

/// One file of a directory. Its Answer concerns this file alone, also where the code isn't 0.
struct Entry {
    Answer answer;
    std::uint32_t index, file_count;     ///< which of the directory's files, and how many there are; from 0 on
    std::array<char, kNameMax + 1> name; ///< in the directory; ends in a zero
};

static_assert(sizeof(AttachNear) == 64 && sizeof(Entry) == 480 && sizeof(Donate) == 328);
static_assert(sizeof(Header) == 16 && sizeof(Attach) == 48 && sizeof(Release) == 24);
static_assert(sizeof(ExtentRecord) == 112 && sizeof(Answer) == 216);

/// SCM_MAX_FD of the kernel: no message carries more descriptors, and each record may need one.
inline constexpr std::size_t kExtentsPerMessage = 253;
inline constexpr std::size_t kRequestSizeMax = 328;
inline constexpr std::size_t kAnswerSizeMax = sizeof(Entry) + kExtentsPerMessage * sizeof(ExtentRecord);
static_assert(sizeof(Donate) <= kRequestSizeMax && sizeof(Attach) <= kRequestSizeMax);

inline Header make_header(Kind kind, std::size_t size) {
    return {kMagic, kVersion, kind, static_cast<std::uint32_t>(size), 0};
}

/// `kind`: Kind::attach, or Kind::attach_directory with a directory's ticket.
inline Attach make_attach(Kind kind, const Ticket &ticket, std::uint32_t handle_types, std::uint32_t lease) {
    return {make_header(kind, sizeof(Attach)), ticket, handle_types, lease};
}

inline AttachNear make_attach_near(Attach attach, const std::array<std::uint8_t, 16> &device) {
    attach.header = make_header(Kind::attach_near, sizeof(AttachNear));
    return {attach, device};
}

inline Release make_release(std::uint64_t lease) { return {make_header(Kind::release, sizeof(Release)), lease}; }

/// Without a ticket yet. `name` is kNameMax bytes at the most.
inline Donate make_donation(
    const std::array<std::uint8_t, 16> &device, std::uint64_t size, std::uint32_t flags, std::string_view name) {
    Donate donation = {make_header(Kind::donate, sizeof(Donate)), {}, device, size, flags, 0, {}};
    name.copy(donation.name.data(), donation.name.size() - 1);
    return donation;
}

inline Answer make_answer(int code, std::string_view text) {
    Answer answer = {};
    answer.header = make_header(Kind::answer, sizeof(Answer));
    answer.code = code;
    text.copy(answer.text.data(), std::min(text.size(), answer.text.size() - 1));
    return answer;
}

inline Entry make_entry(const Answer &answer, std::uint32_t index, std::uint32_t file_count, std::string_view name) {
    Entry entry = {answer, index, file_count, {}};
    entry.answer.header = make_header(Kind::entry, sizeof(Entry));
    name.copy(entry.name.data(), entry.name.size() - 1);
    return entry;
}

/// The struct that `bytes` begins with. `bytes` is long enough.
template <typename Message>
Message read_message(std::span<const std::byte> bytes) {
    Message message;
    std::memcpy(&message, bytes.data(), sizeof message);
    return message;
}

/// EPROTO: no message of this protocol. EPROTONOSUPPORT: a message of another version.
inline Result<Header> parse_header(std::span<const std::byte> bytes) {
    if (bytes.size() < sizeof(Header)) return Error{EPROTO, 0, "read message", "it is shorter than its header"};
    const auto header = read_message<Header>(bytes);
    if (header.magic != kMagic) return Error{EPROTO, 0, "read message", "it doesn't begin with GMFS"};
    if (header.version != kVersion)
        return Error{EPROTONOSUPPORT, 0, "read message",
            "version " + std::to_string(header.version) + ", and this is " + std::to_string(kVersion) +
                ": use the library and the server of one release"};
    if (header.size != bytes.size()) return Error{EPROTO, 0, "read message", "it has another size than it says"};
    return header;
}

using Request = std::variant<Attach, AttachNear, Release, Donate>;

/// What a peer asks. EPROTO, EPROTONOSUPPORT.
inline Result<Request> parse_request(std::span<const std::byte> bytes) {
    const Header header = TRY(parse_header(bytes));
    const bool is_attach = header.kind == Kind::attach || header.kind == Kind::attach_directory;
    if (is_attach && bytes.size() == sizeof(Attach)) {
        const auto attach = read_message<Attach>(bytes);
        const bool is_known = (attach.handle_types & ~(kFabric | kDescriptor)) == 0 && attach.handle_types != 0 &&
                              (attach.lease & ~(kWriteLease | kExclusiveLease | kRepeated)) == 0;
        if (!is_known) return Error{EPROTO, 0, "read message", "it asks for what version 1 doesn't have"};
        return Request(attach);
    }
    if (header.kind == Kind::attach_near && bytes.size() == sizeof(AttachNear)) {
        const auto near = read_message<AttachNear>(bytes);
        const bool is_known = (near.attach.handle_types & ~(kFabric | kDescriptor)) == 0 &&
                              near.attach.handle_types != 0 &&
                              (near.attach.lease & ~(kExclusiveLease | kRepeated)) == 0;
        if (!is_known) return Error{EPROTO, 0, "read message", "it asks for what version 1 doesn't have"};
        return Request(near);
    }
    if (header.kind == Kind::release && bytes.size() == sizeof(Release)) return Request(read_message<Release>(bytes));
    if (header.kind == Kind::donate && bytes.size() == sizeof(Donate)) {
        const auto donation = read_message<Donate>(bytes);
        const bool is_known =
            (donation.flags & ~(kKeepAtEnd | kOwnDirectory | kRepeated)) == 0 && donation.name.back() == '\0';
        if (is_known) return Request(donation);
        return Error{EPROTO, 0, "read message", "it gives what version 1 doesn't have"};
    }
    return Error{EPROTO, 0, "read message", "it is no request of version 1"};
}

/// One message of an answer, and the records that it holds.
struct AnswerPart {
    Answer answer;
    std::vector<ExtentRecord> extents;
    std::size_t descriptor_count; ///< of the extents
};

/// One message of what a directory is answered with.
struct EntryPart {
    AnswerPart part;
    std::uint32_t index, file_count;
    std::string name;
};

/// The records behind the `head` bytes of a message that begins with an Answer.
inline Result<AnswerPart> parse_records(std::span<const std::byte> bytes, Kind kind, std::size_t head) {
    const Header header = TRY(parse_header(bytes));
    if (header.kind != kind || bytes.size() < head) return Error{EPROTO, 0, "read message", "it is no answer"};
    AnswerPart part = {read_message<Answer>(bytes), {}, 0};
    part.answer.text.back() = '\0';
    const Answer &answer = part.answer;
    const bool is_sound = answer.count <= kExtentsPerMessage && answer.extent_count <= kExtentsPerFileMax &&
                          answer.first <= answer.extent_count && answer.count <= answer.extent_count - answer.first &&
                          bytes.size() == head + answer.count * sizeof(ExtentRecord) && answer.code >= 0;
    if (!is_sound) return Error{EPROTO, 0, "read message", "its counts contradict each other"};
    bytes = bytes.subspan(head);
    for (std::uint32_t index = 0; index < answer.count; ++index, bytes = bytes.subspan(sizeof(ExtentRecord))) {
        part.extents.push_back(read_message<ExtentRecord>(bytes));
        const ExtentRecord &extent = part.extents.back();
        const bool is_in_place = extent.length != 0 && extent.length <= answer.allocated &&
                                 extent.offset <= answer.allocated - extent.length;
        if (!is_in_place || (extent.handle_type != kFabric && extent.handle_type != kDescriptor))
            return Error{EPROTO, 0, "read message", "an extent lies outside its file, or has no handle"};
        part.descriptor_count += extent.handle_type == kDescriptor ? 1 : 0;
    }
    return part;
}

/// EPROTO, EPROTONOSUPPORT: see parse_header(). Each record is checked by itself, not against other messages.
inline Result<AnswerPart> parse_answer(std::span<const std::byte> bytes) {
    return parse_records(bytes, Kind::answer, sizeof(Answer));
}

/// The same. The name is not empty, neither . nor .., and has no slash, so it can be opened in the directory as it is.
inline Result<EntryPart> parse_entry(std::span<const std::byte> bytes) {
    AnswerPart part = TRY(parse_records(bytes, Kind::entry, sizeof(Entry)));
    const auto entry = read_message<Entry>(bytes);
    const std::string name(entry.name.data(), ::strnlen(entry.name.data(), entry.name.size()));
    const bool is_name =
        !name.empty() && name.size() <= kNameMax && name != "." && name != ".." && name.find('/') == std::string::npos;
    if (!is_name || entry.index >= entry.file_count)
        return Error{EPROTO, 0, "read message", "it names no file of a directory"};
    return EntryPart{std::move(part), entry.index, entry.file_count, name};
}

} // namespace gmemfs::protocol
