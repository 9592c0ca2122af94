#include "tools/snapshot/format.hpp"

#include "fuse/core/names/acl.hpp"
#include "tools/host/bytes.hpp"

#include <cstring>
#include <limits>
#include <string_view>
#include <sys/stat.h>
#include <zlib.h>

namespace gmemfs {
namespace {

constexpr std::size_t kNameMost = 255;       // NAME_MAX
constexpr std::size_t kTargetMost = 4095;    // PATH_MAX without its end
constexpr std::size_t kValueMost = 64 * KiB; // XATTR_SIZE_MAX
constexpr std::string_view kPrefixes[] = {"user.", "trusted."};
constexpr std::string_view kCapability = "security.capability";

class Encoder : public ByteWriter {
public:
    explicit Encoder(SnapshotKind kind) : ByteWriter(kRecordHead) { put(kind); }
    std::vector<std::byte> finish() {
        const std::span<const std::byte> body = std::span<const std::byte>(bytes()).subspan(kRecordHead);
        const std::uint32_t head[] = {static_cast<std::uint32_t>(body.size()), checksum(body)};
        std::memcpy(bytes().data(), head, sizeof head);
        return ByteWriter::finish();
    }
};

// Bad from the start where the body is of another kind.
class Decoder : public ByteReader {
public:
    Decoder(std::span<const std::byte> body, SnapshotKind kind)
        : ByteReader(body), is_kind_(take<SnapshotKind>() == kind) {}
    bool is_good() const { return is_kind_ && ByteReader::is_good(); }
    bool is_done() const { return is_kind_ && ByteReader::is_done(); }

private:
    bool is_kind_;
};

Error bad(const char *what) { return Error{EBADMSG, 0, "read snapshot", what}; }

bool has_nul(const std::string &text) { return text.find('\0') != std::string::npos; }

// A name that can lead nowhere but into its folder.
bool is_name(const std::string &name) {
    return name != "." && name != ".." && name.find('/') == std::string::npos && !has_nul(name);
}

bool is_known_type(std::uint32_t mode) {
    return S_ISDIR(mode) || S_ISREG(mode) || S_ISLNK(mode) || S_ISFIFO(mode) || S_ISCHR(mode) || S_ISBLK(mode) ||
           S_ISSOCK(mode);
}

Result<void> check_entry(const SnapshotEntry &entry) {
    if (!is_name(entry.name)) return bad("a name that is none");
    if (!is_known_type(entry.mode) || (entry.mode & ~(S_IFMT | 07777U)) != 0) return bad("a mode that is none");
    if (entry.is_folder() && entry.is_other_name()) return bad("a folder with two names");
    const bool has_size = S_ISREG(entry.mode) && !entry.is_other_name();
    if (entry.size > (has_size ? std::uint64_t(std::numeric_limits<std::int64_t>::max()) : 0))
        return bad("a size that can't be");
    const bool has_target = entry.is_link() && !entry.is_other_name();
    if (entry.target.empty() == has_target || has_nul(entry.target)) return bad("a symbolic link to nowhere");
    for (const SnapshotAttribute &attribute : entry.attributes) {
        if (!is_saved_attribute(attribute.name) || has_nul(attribute.name))
            return bad("an extended attribute that no snapshot has");
        if (is_acl(attribute.name) && !Acl::parse(attribute.value)) return bad("an access control list that is none");
    }
    return {};
}

} // namespace

bool SnapshotEntry::is_folder() const { return S_ISDIR(mode); }
bool SnapshotEntry::is_file() const { return S_ISREG(mode) && !is_other_name(); }
bool SnapshotEntry::is_link() const { return S_ISLNK(mode); }

std::vector<std::byte> encode(const SnapshotTotals &totals) {
    Encoder encoder(SnapshotKind::totals);
    encoder.put(totals.version);
    encoder.put(totals.entries);
    encoder.put(totals.data_bytes);
    encoder.put(totals.created);
    return encoder.finish();
}

std::vector<std::byte> encode(const SnapshotEntry &entry) {
    Encoder encoder(SnapshotKind::entry);
    encoder.put(entry.parent);
    encoder.put(entry.link_to);
    encoder.put(entry.name);
    encoder.put(entry.mode);
    encoder.put(entry.uid);
    encoder.put(entry.gid);
    encoder.put(entry.device);
    encoder.put(entry.size);
    encoder.put(entry.accessed);
    encoder.put(entry.modified);
    encoder.put(entry.target);
    encoder.put(static_cast<std::uint32_t>(entry.attributes.size()));
    for (const SnapshotAttribute &attribute : entry.attributes) {
        encoder.put(attribute.name);
        encoder.put(attribute.value);
    }
    return encoder.finish();
}

std::vector<std::byte> encode(const SnapshotImage &image) {
    Encoder encoder(SnapshotKind::image);
    encoder.put(image.entry);
    encoder.put(image.size);
    encoder.put<std::uint8_t>(static_cast<std::uint8_t>((image.was_packed ? 1 : 0) | (image.digest ? 2 : 0)));
    encoder.put(image.digest.value_or(std::array<std::byte, 32>()));
    return encoder.finish();
}

std::vector<std::byte> encode(const SnapshotChunk &chunk) {
    Encoder encoder(SnapshotKind::chunk);
    encoder.put(chunk.entry);
    encoder.put(chunk.offset);
    encoder.put(chunk.size);
    encoder.put(chunk.stored);
    encoder.put(chunk.crc);
    return encoder.finish();
}

std::vector<std::byte> encode(const SnapshotCut &cut) {
    Encoder encoder(SnapshotKind::cut);
    encoder.put(cut.entry);
    encoder.put<std::uint8_t>(cut.is_gone ? 1 : 0);
    encoder.put(cut.size);
    return encoder.finish();
}

std::vector<std::byte> encode(const SnapshotEnd &end) {
    Encoder encoder(SnapshotKind::end);
    encoder.put(end.chunks);
    encoder.put(end.stored_bytes);
    encoder.put(end.checksum);
    return encoder.finish();
}

Result<RecordHead> decode_head(std::span<const std::byte> bytes) {
    RecordHead head;
    GMEMFS_ASSERT(bytes.size() == kRecordHead);
    std::memcpy(&head.length, bytes.data(), sizeof head.length);
    std::memcpy(&head.crc, bytes.data() + sizeof head.length, sizeof head.crc);
    if (head.length == 0 || head.length > kRecordMost) return bad("a record of a length that none has");
    return head;
}

Result<SnapshotTotals> decode_totals(std::span<const std::byte> body) {
    Decoder decoder(body, SnapshotKind::totals);
    const auto version = decoder.take<std::uint32_t>();
    if (decoder.is_good() && (version == 0 || version > kSnapshotVersion))
        return Error{EPROTONOSUPPORT, 0, "read snapshot",
            "version " + std::to_string(version) + ": use the gmemfs that it was saved with, or a later one"};
    SnapshotTotals totals;
    totals.version = version;
    totals.entries = decoder.take<std::uint64_t>();
    totals.data_bytes = decoder.take<std::uint64_t>();
    totals.created = decoder.take<std::int64_t>();
    if (!decoder.is_done()) return bad("it doesn't begin with its totals");
    if (totals.entries == 0 || totals.entries >= kNoEntry) return bad("a count of entries that can't be");
    return totals;
}

Result<SnapshotEntry> decode_entry(std::span<const std::byte> body) {
    Decoder decoder(body, SnapshotKind::entry);
    SnapshotEntry entry;
    entry.parent = decoder.take<std::uint32_t>();
    entry.link_to = decoder.take<std::uint32_t>();
    entry.name = decoder.take_text(kNameMost);
    entry.mode = decoder.take<std::uint32_t>();
    entry.uid = decoder.take<std::uint32_t>();
    entry.gid = decoder.take<std::uint32_t>();
    entry.device = decoder.take<std::uint64_t>();
    entry.size = decoder.take<std::uint64_t>();
    entry.accessed = decoder.take_time();
    entry.modified = decoder.take_time();
    entry.target = decoder.take_text(kTargetMost);
    const auto count = decoder.take<std::uint32_t>();
    for (std::uint32_t index = 0; index < count && decoder.is_good(); ++index) {
        std::string name = decoder.take_text(kNameMost);
        entry.attributes.push_back({std::move(name), decoder.take_text(kValueMost)});
    }
    if (!decoder.is_done()) return bad("a record that should be an entry");
    TRY(check_entry(entry));
    return entry;
}

Result<SnapshotImage> decode_image(std::span<const std::byte> body) {
    Decoder decoder(body, SnapshotKind::image);
    SnapshotImage image;
    image.entry = decoder.take<std::uint32_t>();
    image.size = decoder.take<std::uint64_t>();
    const auto flags = decoder.take<std::uint8_t>();
    const auto digest = decoder.take<std::array<std::byte, 32>>();
    if (!decoder.is_done() || flags > 3 || image.size == 0) return bad("a record that should be an image");
    image.was_packed = (flags & 1) != 0;
    if ((flags & 2) != 0) image.digest = digest;
    return image;
}

Result<SnapshotChunk> decode_chunk(std::span<const std::byte> body) {
    Decoder decoder(body, SnapshotKind::chunk);
    SnapshotChunk chunk;
    chunk.entry = decoder.take<std::uint32_t>();
    chunk.offset = decoder.take<std::uint64_t>();
    chunk.size = decoder.take<std::uint32_t>();
    chunk.stored = decoder.take<std::uint32_t>();
    chunk.crc = decoder.take<std::uint32_t>();
    if (!decoder.is_done()) return bad("a record that should be a chunk");
    if (chunk.size == 0 || chunk.size > kSnapshotChunk || chunk.offset % kSnapshotChunk != 0)
        return bad("a chunk out of place");
    if (chunk.stored != 0 && chunk.stored != chunk.size) return bad("a chunk that is stored in part");
    return chunk;
}

Result<SnapshotCut> decode_cut(std::span<const std::byte> body) {
    Decoder decoder(body, SnapshotKind::cut);
    SnapshotCut cut;
    cut.entry = decoder.take<std::uint32_t>();
    const auto gone = decoder.take<std::uint8_t>();
    cut.is_gone = gone == 1;
    cut.size = decoder.take<std::uint64_t>();
    if (!decoder.is_done() || gone > 1 || (cut.is_gone && cut.size != 0)) return bad("a record that should be a cut");
    return cut;
}

Result<SnapshotEnd> decode_end(std::span<const std::byte> body) {
    Decoder decoder(body, SnapshotKind::end);
    SnapshotEnd end;
    end.chunks = decoder.take<std::uint64_t>();
    end.stored_bytes = decoder.take<std::uint64_t>();
    end.checksum = decoder.take<std::uint32_t>();
    if (!decoder.is_done()) return bad("it has no end: it was cut short");
    return end;
}

bool is_saved_attribute(std::string_view name) {
    for (const std::string_view prefix : kPrefixes)
        if (name.starts_with(prefix) && name.size() > prefix.size()) return true;
    return is_acl(name) || name == kCapability;
}

std::uint32_t checksum(std::span<const std::byte> bytes, std::uint32_t crc) {
    return static_cast<std::uint32_t>(
        ::crc32_z(crc, reinterpret_cast<const unsigned char *>(bytes.data()), bytes.size()));
}

std::uint32_t checksum_of_checksums(std::uint32_t so_far, std::uint32_t crc) {
    return checksum(std::as_bytes(std::span(&crc, 1)), so_far);
}

std::uint64_t plain_part(const SnapshotChunk &chunk, std::uint64_t data_size, std::uint64_t plain_size) {
    __extension__ using Wide = unsigned __int128;
    const auto plain_before = [&](std::uint64_t at) {
        return static_cast<std::uint64_t>(Wide(at) * plain_size / data_size);
    };
    return plain_before(chunk.offset + chunk.size) - plain_before(chunk.offset);
}

} // namespace gmemfs
