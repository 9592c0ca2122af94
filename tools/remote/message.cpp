#include "tools/remote/message.hpp"

#include "tools/host/bytes.hpp"

#include <algorithm>
#include <cmath>
#include <linux/limits.h>

namespace gmemfs {
namespace {

constexpr std::size_t kTextMost = 4096;
constexpr std::uint64_t kSizeMost = std::uint64_t(1) << 62;

Error bad(const char *what) { return Error{EPROTO, 0, "read from the other host", what}; }

Error senseless() { return bad("a message whose fields can't be"); }

// A text of the other host for people here.
std::string printable(std::string text) {
    std::replace_if(
        text.begin(), text.end(),
        [](char letter) { return static_cast<unsigned char>(letter) < 0x20 || letter == 0x7f; }, '?');
    return text;
}

// The body of a frame of this kind. Of `failed` what the other side says.
Result<ByteReader> body_of(const Frame &frame, FrameKind kind) {
    if (frame.kind == kind) return ByteReader(frame.body);
    if (frame.kind != FrameKind::failed) return bad("a message that doesn't belong here");
    ByteReader reader(frame.body);
    const auto code = reader.take<std::int32_t>();
    const std::string text = printable(reader.take_text(kTextMost));
    if (!reader.is_done() || code <= 0) return bad("a failure that says nothing");
    return Error{code, 0, kOtherHost, text};
}

template <typename Message>
Result<Message> checked(const ByteReader &reader, Message message) {
    if (!reader.is_done()) return senseless();
    return message;
}

bool is_transport(std::uint8_t number) {
    return number >= static_cast<std::uint8_t>(RemoteTransport::fabric) &&
           number <= static_cast<std::uint8_t>(RemoteTransport::ssh);
}

bool is_path(const std::string &path) { return !path.empty() && path.find('\0') == std::string::npos; }

void put_sized(ByteWriter &writer, std::span<const std::byte> bytes) {
    writer.put(static_cast<std::uint32_t>(bytes.size()));
    writer.put(bytes);
}

std::vector<std::byte> take_sized(ByteReader &reader, bool &is_sound) {
    const auto size = reader.take<std::uint32_t>();
    is_sound = is_sound && size <= kTransportMost;
    const std::span<const std::byte> bytes = reader.take_bytes(size);
    return {bytes.begin(), bytes.end()};
}

} // namespace

const char *name_of(RemoteTransport transport) {
    switch (transport) {
    case RemoteTransport::fabric: return "fabric";
    case RemoteTransport::nixl: return "nixl";
    case RemoteTransport::ssh: break;
    }
    return "ssh";
}

std::vector<ByteRange> Coming::ranges() const {
    const std::uint64_t all = image_size != 0 ? image_size : size;
    if (is_whole) return all == 0 ? std::vector<ByteRange>() : std::vector<ByteRange>{{0, all}};
    std::vector<ByteRange> ranges;
    for (const std::uint64_t piece : missing) {
        const std::uint64_t at = piece * kPiece, length = std::min(kPiece, size - at);
        if (!ranges.empty() && ranges.back().offset + ranges.back().length == at)
            ranges.back().length += length;
        else
            ranges.push_back({at, length});
    }
    return ranges;
}

std::vector<std::byte> encode(const Hello &message) {
    ByteWriter writer;
    writer.put(message.version);
    writer.put(message.program);
    return writer.finish();
}

std::vector<std::byte> encode(const List &message) {
    ByteWriter writer;
    writer.put<std::uint8_t>(message.recursive ? 1 : 0);
    writer.put(message.path);
    return writer.finish();
}

std::vector<std::byte> encode(const Listed &message) {
    ByteWriter writer;
    writer.put(message.entries);
    return writer.finish();
}

std::vector<std::byte> encode(const Fetch &message) {
    ByteWriter writer;
    writer.put(message.entry);
    writer.put(message.size);
    writer.put(message.transport);
    writer.put(static_cast<std::uint32_t>(message.have.size()));
    for (const Digest &digest : message.have) writer.put(digest);
    put_sized(writer, message.transport_says);
    writer.put<std::uint8_t>(message.takes_image ? 1 : 0);
    return writer.finish();
}

std::vector<std::byte> encode(const Coming &message) {
    ByteWriter writer;
    writer.put(message.entry);
    writer.put(message.size);
    writer.put<std::uint8_t>(message.is_whole ? 1 : 0);
    writer.put(static_cast<std::uint32_t>(message.missing.size()));
    for (const std::uint32_t piece : message.missing) writer.put(piece);
    put_sized(writer, message.transport_says);
    writer.put(message.transport);
    writer.put(message.image_size);
    return writer.finish();
}

std::vector<std::byte> encode_head(const Data &message) {
    ByteWriter writer;
    writer.put(message.entry);
    writer.put(message.offset);
    return writer.finish();
}

std::vector<std::byte> encode(const Taken &message) {
    ByteWriter writer;
    writer.put(message.entry);
    return writer.finish();
}

std::vector<std::byte> encode(const Sent &message) {
    ByteWriter writer;
    writer.put(message.entry);
    writer.put(message.state);
    writer.put(message.code);
    writer.put(message.text.substr(0, kTextMost));
    return writer.finish();
}

std::vector<std::byte> encode(const Failed &message) {
    ByteWriter writer;
    writer.put(message.code);
    writer.put(message.text.substr(0, kTextMost));
    return writer.finish();
}

std::vector<std::byte> encode(const Land &message) {
    ByteWriter writer;
    writer.put(message.path);
    writer.put(message.flags);
    writer.put(message.transport);
    return writer.finish();
}

std::vector<std::byte> encode(const Done &message) {
    ByteWriter writer;
    for (const std::uint64_t count :
        {message.files, message.files_there, message.bytes, message.failures, message.attributes_left_out})
        writer.put(count);
    writer.put(message.transport);
    writer.put(message.moving_seconds);
    return writer.finish();
}

std::string told(const Error &error) {
    return error.detail.empty() ? error.doing : std::string(error.doing) + ": " + error.detail;
}

std::vector<std::byte> encode_text(const std::string &text) {
    ByteWriter writer;
    writer.put(text.substr(0, kTextMost));
    return writer.finish();
}

Result<Hello> decode_hello(const Frame &frame) {
    ByteReader reader = TRY(body_of(frame, FrameKind::hello));
    Hello message;
    message.version = reader.take<std::uint32_t>();
    message.program = printable(reader.take_text(kTextMost));
    if (reader.is_good() && message.version != kRemoteVersion)
        return Error{EPROTONOSUPPORT, 0, "talk to the other host",
            message.program + " there speaks version " + std::to_string(message.version) + ", and this one " +
                std::to_string(kRemoteVersion) + ": install one release on both"};
    return checked(reader, std::move(message));
}

Result<List> decode_list(const Frame &frame) {
    ByteReader reader = TRY(body_of(frame, FrameKind::list));
    List message;
    const auto recursive = reader.take<std::uint8_t>();
    message.recursive = recursive == 1;
    message.path = reader.take_text(PATH_MAX);
    const bool is_sound = recursive <= 1 && is_path(message.path);
    if (!is_sound) return bad("a message whose fields can\'t be");
    return checked(reader, std::move(message));
}

Result<SnapshotEntry> decode_listed_entry(const Frame &frame) {
    ByteReader reader = TRY(body_of(frame, FrameKind::entry));
    const std::span<const std::byte> head = reader.take_bytes(kRecordHead);
    const std::span<const std::byte> body = reader.take_rest();
    if (!reader.is_good()) return bad("a name that is none");
    const Result<RecordHead> told = decode_head(head);
    if (!told || told->length != body.size() || told->crc != checksum(body)) return bad("a name that is none");
    return decode_entry(body);
}

Result<std::string> decode_warning(const Frame &frame) {
    ByteReader reader = TRY(body_of(frame, FrameKind::warning));
    std::string text = printable(reader.take_text(kTextMost));
    return checked(reader, std::move(text));
}

Result<Listed> decode_listed(const Frame &frame) {
    ByteReader reader = TRY(body_of(frame, FrameKind::listed));
    Listed message;
    message.entries = reader.take<std::uint64_t>();
    if (message.entries == 0) return bad("a message whose fields can\'t be");
    return checked(reader, message);
}

Result<Fetch> decode_fetch(const Frame &frame) {
    ByteReader reader = TRY(body_of(frame, FrameKind::fetch));
    Fetch message;
    message.entry = reader.take<std::uint32_t>();
    message.size = reader.take<std::uint64_t>();
    const auto transport = reader.take<std::uint8_t>();
    const auto count = reader.take<std::uint32_t>();
    bool is_sound = message.size <= kSizeMost && is_transport(transport) && count <= kPiecesMost;
    if (!is_sound) return senseless();
    message.transport = static_cast<RemoteTransport>(transport);
    for (std::uint32_t index = 0; index < count && reader.is_good(); ++index)
        message.have.push_back(reader.take<Digest>());
    message.transport_says = take_sized(reader, is_sound);
    const auto takes_image = reader.take<std::uint8_t>();
    message.takes_image = takes_image == 1;
    is_sound = is_sound && takes_image <= 1;
    if (!is_sound) return bad("a message whose fields can\'t be");
    return checked(reader, std::move(message));
}

Result<Coming> decode_coming(const Frame &frame) {
    ByteReader reader = TRY(body_of(frame, FrameKind::coming));
    Coming message;
    message.entry = reader.take<std::uint32_t>();
    message.size = reader.take<std::uint64_t>();
    const auto is_whole = reader.take<std::uint8_t>();
    const auto count = reader.take<std::uint32_t>();
    bool is_sound = message.size <= kSizeMost && is_whole <= 1 && count <= kPiecesMost && (is_whole == 0 || count == 0);
    if (!is_sound) return senseless();
    message.is_whole = is_whole == 1;
    const std::uint64_t pieces = (message.size + kPiece - 1) / kPiece;
    for (std::uint32_t index = 0; index < count && reader.is_good(); ++index) {
        const auto piece = reader.take<std::uint32_t>();
        is_sound = is_sound && piece < pieces && (message.missing.empty() || piece > message.missing.back());
        message.missing.push_back(piece);
    }
    message.transport_says = take_sized(reader, is_sound);
    const auto transport = reader.take<std::uint8_t>();
    message.transport = static_cast<RemoteTransport>(transport);
    message.image_size = reader.take<std::uint64_t>();
    const bool has_image = message.image_size != 0;
    is_sound = is_sound && is_transport(transport) && message.image_size <= kSizeMost &&
               (!has_image || (message.is_whole && message.transport == RemoteTransport::ssh));
    if (!is_sound) return bad("a message whose fields can\'t be");
    return checked(reader, std::move(message));
}

Result<Data> decode_data(const Frame &frame) {
    ByteReader reader = TRY(body_of(frame, FrameKind::data));
    Data message;
    message.entry = reader.take<std::uint32_t>();
    message.offset = reader.take<std::uint64_t>();
    message.bytes = reader.take_rest();
    const bool is_sound = message.offset <= kSizeMost && !message.bytes.empty() && message.bytes.size() <= kDataMost;
    if (!is_sound) return bad("a message whose fields can\'t be");
    return checked(reader, message);
}

Result<Taken> decode_taken(const Frame &frame) {
    ByteReader reader = TRY(body_of(frame, FrameKind::taken));
    return checked(reader, Taken{reader.take<std::uint32_t>()});
}

Result<Sent> decode_sent(const Frame &frame) {
    ByteReader reader = TRY(body_of(frame, FrameKind::sent));
    Sent message;
    message.entry = reader.take<std::uint32_t>();
    const auto state = reader.take<std::uint8_t>();
    message.code = reader.take<std::int32_t>();
    message.text = printable(reader.take_text(kTextMost));
    if (state > static_cast<std::uint8_t>(Sent::State::unusable)) return senseless();
    message.state = static_cast<Sent::State>(state);
    const bool has_code = message.state == Sent::State::failed || message.state == Sent::State::unusable;
    if (has_code ? message.code <= 0 : message.code != 0) return bad("a message whose fields can\'t be");
    return checked(reader, std::move(message));
}

Result<Land> decode_land(const Frame &frame) {
    ByteReader reader = TRY(body_of(frame, FrameKind::land));
    Land message;
    message.path = reader.take_text(PATH_MAX);
    message.flags = reader.take<std::uint8_t>();
    message.transport = reader.take<std::uint8_t>();
    const bool is_sound = is_path(message.path) && (message.flags & ~kLandAll) == 0 &&
                          (message.transport == 0 || is_transport(message.transport));
    if (!is_sound) return bad("a message whose fields can\'t be");
    return checked(reader, std::move(message));
}

Result<Done> decode_done(const Frame &frame) {
    ByteReader reader = TRY(body_of(frame, FrameKind::done));
    Done message;
    for (std::uint64_t *const count :
        {&message.files, &message.files_there, &message.bytes, &message.failures, &message.attributes_left_out})
        *count = reader.take<std::uint64_t>();
    const auto transport = reader.take<std::uint8_t>();
    message.transport = static_cast<RemoteTransport>(transport);
    message.moving_seconds = reader.take<double>();
    if (!is_transport(transport) || !std::isfinite(message.moving_seconds) || message.moving_seconds < 0)
        return bad("a message whose fields can\'t be");
    return checked(reader, message);
}

Result<void> decode_empty(const Frame &frame, FrameKind kind) {
    const ByteReader reader = TRY(body_of(frame, kind));
    return reader.is_done() ? Result<void>() : senseless();
}

} // namespace gmemfs
