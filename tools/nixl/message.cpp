#include "tools/nixl/message.hpp"

#include "tools/host/bytes.hpp"

#include <algorithm>

namespace gmemfs {
namespace {

constexpr std::uint32_t kMagic = 0x314e4d47; // "GMN1"
constexpr std::size_t kTextMost = 2048, kPathMost = 4096;

Error bad(const char *what) { return Error{EPROTO, 0, "read what NIXL's helper says", what}; }

void put_sized(ByteWriter &writer, std::span<const std::byte> bytes) {
    writer.put(static_cast<std::uint32_t>(bytes.size()));
    writer.put(bytes);
}

std::vector<std::byte> take_sized(ByteReader &reader, std::size_t most, bool &is_sound) {
    const auto size = reader.take<std::uint32_t>();
    if (size > most) return is_sound = false, std::vector<std::byte>();
    const std::span<const std::byte> bytes = reader.take_bytes(size);
    return {bytes.begin(), bytes.end()};
}

// Text of another process for people here: it commands no terminal.
std::string take_printable(ByteReader &reader) {
    std::string text = reader.take_text(kTextMost);
    const auto is_control = [](char letter) { return static_cast<unsigned char>(letter) < 0x20 || letter == 0x7f; };
    std::replace_if(text.begin(), text.end(), is_control, '?');
    return text;
}

NixlToken take_token(ByteReader &reader) {
    NixlToken token{};
    const std::span<const std::byte> bytes = reader.take_bytes(token.size());
    std::copy(bytes.begin(), bytes.end(), token.begin());
    return token;
}

bool is_range(std::uint64_t offset, std::uint64_t length, std::uint64_t size) {
    return length > 0 && offset < size && length <= size - offset;
}

bool wraps(std::uint64_t address, std::uint64_t length) { return address == 0 || address + length < address; }

// They follow each other, and cover the file.
bool cover(const std::vector<NixlTargetRegion> &regions, std::uint64_t size) {
    std::uint64_t at = 0;
    for (const NixlTargetRegion &region : regions) {
        if (region.offset != at || !is_range(region.offset, region.length, size)) return false;
        if (wraps(region.address, region.length)) return false;
        at += region.length;
    }
    return at == size;
}

bool are_slots(const NixlTargetInfo &info) {
    return info.slot_size > 0 && info.slot_size <= kNixlSlotMost && info.slot_count > 0 &&
           info.slot_count <= kNixlSlotsMost && !wraps(info.slots_address, info.slot_size * info.slot_count);
}

template <typename Kind>
bool is_kind(Kind last, std::uint8_t number) {
    return number > 0 && number <= static_cast<std::uint8_t>(last);
}

} // namespace

std::vector<std::byte> encode(const NixlTargetInfo &info) {
    ByteWriter writer;
    writer.put(kMagic);
    writer.put(std::span<const std::byte>(info.token));
    writer.put(info.size);
    writer.put(info.slots_address);
    writer.put(info.slot_size);
    writer.put(info.slot_count);
    writer.put(static_cast<std::uint32_t>(info.regions.size()));
    for (const NixlTargetRegion &region : info.regions) writer.put(region);
    put_sized(writer, info.metadata);
    return writer.finish();
}

Result<NixlTargetInfo> decode_nixl_target(std::span<const std::byte> bytes) {
    ByteReader reader(bytes);
    bool is_sound = reader.take<std::uint32_t>() == kMagic && bytes.size() <= kNixlTargetMost;
    NixlTargetInfo info;
    info.token = take_token(reader);
    info.size = reader.take<std::uint64_t>();
    info.slots_address = reader.take<std::uint64_t>();
    info.slot_size = reader.take<std::uint64_t>();
    info.slot_count = reader.take<std::uint32_t>();
    const auto regions = reader.take<std::uint32_t>();
    is_sound = is_sound && info.size <= kNixlFileMost && regions <= kNixlRegionsMost;
    for (std::uint32_t index = 0; is_sound && index < regions; ++index)
        info.regions.push_back(reader.take<NixlTargetRegion>());
    info.metadata = take_sized(reader, kNixlTargetMost, is_sound);
    is_sound = is_sound && (info.regions.empty() ? are_slots(info) : cover(info.regions, info.size));
    if (!is_sound || !reader.is_done()) return bad("where to put a file's bytes makes no sense");
    return info;
}

std::vector<std::byte> encode(const NixlNote &note) {
    ByteWriter writer;
    writer.put(std::span<const std::byte>(note.token));
    writer.put(static_cast<std::uint8_t>(note.kind));
    switch (note.kind) {
    case NixlNote::Kind::hello:
        writer.put(note.total);
        put_sized(writer, note.metadata);
        break;
    case NixlNote::Kind::piece:
    case NixlNote::Kind::landed:
        writer.put(note.slot);
        writer.put(note.offset);
        writer.put(note.length);
        break;
    case NixlNote::Kind::failed:
        writer.put(note.code);
        writer.put(note.text.substr(0, kTextMost));
        break;
    case NixlNote::Kind::alive: break;
    }
    return writer.finish();
}

Result<NixlNote> decode_nixl_note(std::span<const std::byte> bytes) {
    ByteReader reader(bytes);
    NixlNote note;
    note.token = take_token(reader);
    const auto kind = reader.take<std::uint8_t>();
    if (!is_kind(NixlNote::Kind::failed, kind)) return bad("a note of no kind");
    note.kind = static_cast<NixlNote::Kind>(kind);
    bool is_sound = true;
    switch (note.kind) {
    case NixlNote::Kind::hello:
        note.total = reader.take<std::uint64_t>();
        note.metadata = take_sized(reader, kNixlTargetMost, is_sound);
        is_sound = is_sound && note.total <= kNixlFileMost;
        break;
    case NixlNote::Kind::piece:
    case NixlNote::Kind::landed:
        note.slot = reader.take<std::uint32_t>();
        note.offset = reader.take<std::uint64_t>();
        note.length = reader.take<std::uint64_t>();
        is_sound = (note.slot < kNixlSlotsMost || note.slot == kNixlNoSlot) && note.length <= kNixlSlotMost &&
                   is_range(note.offset, note.length, kNixlFileMost);
        break;
    case NixlNote::Kind::failed:
        note.code = reader.take<std::int32_t>();
        note.text = take_printable(reader);
        is_sound = note.code > 0;
        break;
    case NixlNote::Kind::alive: break;
    }
    if (!is_sound || !reader.is_done()) return bad("a note whose fields can't be");
    return note;
}

std::vector<std::byte> encode(const NixlRequest &request) {
    ByteWriter writer;
    writer.put(static_cast<std::uint8_t>(request.kind));
    writer.put(request.file);
    writer.put(request.path);
    writer.put(request.size);
    writer.put(static_cast<std::uint32_t>(request.ranges.size()));
    for (const ByteRange &range : request.ranges) writer.put(range);
    put_sized(writer, request.target);
    return writer.finish();
}

Result<NixlRequest> decode_nixl_request(std::span<const std::byte> bytes) {
    ByteReader reader(bytes);
    NixlRequest request;
    const auto kind = reader.take<std::uint8_t>();
    bool is_sound = is_kind(NixlRequest::Kind::cancel, kind);
    request.kind = is_sound ? static_cast<NixlRequest::Kind>(kind) : NixlRequest::Kind::cancel;
    request.file = reader.take<std::uint32_t>();
    request.path = reader.take_text(kPathMost);
    request.size = reader.take<std::uint64_t>();
    const auto ranges = reader.take<std::uint32_t>();
    is_sound = is_sound && ranges <= kNixlRangesMost && request.size <= kNixlFileMost;
    for (std::uint32_t index = 0; is_sound && index < ranges; ++index) {
        request.ranges.push_back(reader.take<ByteRange>());
        is_sound = is_range(request.ranges.back().offset, request.ranges.back().length, kNixlFileMost);
    }
    request.target = take_sized(reader, kNixlTargetMost, is_sound);
    if (!is_sound || !reader.is_done()) return bad("a request that makes no sense");
    return request;
}

std::vector<std::byte> encode(const NixlAnswer &answer) {
    ByteWriter writer;
    writer.put(static_cast<std::uint8_t>(answer.kind));
    writer.put(answer.bytes);
    writer.put(answer.memory.substr(0, kTextMost));
    put_sized(writer, answer.says);
    writer.put(answer.code);
    writer.put(answer.text.substr(0, kTextMost));
    return writer.finish();
}

Result<NixlAnswer> decode_nixl_answer(std::span<const std::byte> bytes) {
    ByteReader reader(bytes);
    NixlAnswer answer;
    const auto kind = reader.take<std::uint8_t>();
    bool is_sound = is_kind(NixlAnswer::Kind::failed, kind);
    answer.kind = is_sound ? static_cast<NixlAnswer::Kind>(kind) : NixlAnswer::Kind::failed;
    answer.bytes = reader.take<std::uint64_t>();
    answer.memory = take_printable(reader);
    answer.says = take_sized(reader, kNixlTargetMost, is_sound);
    answer.code = reader.take<std::int32_t>();
    answer.text = take_printable(reader);
    is_sound = is_sound && (answer.code > 0) == (answer.kind == NixlAnswer::Kind::failed);
    if (!is_sound || !reader.is_done()) return bad("an answer that makes no sense");
    return answer;
}

std::string words_of(const Error &error) {
    return error.detail.empty() ? error.doing : std::string(error.doing) + ": " + error.detail;
}

NixlAnswer failure_of(const Error &error) {
    NixlAnswer answer;
    answer.kind = NixlAnswer::Kind::failed;
    answer.code = error.code;
    answer.text = words_of(error);
    return answer;
}

} // namespace gmemfs
