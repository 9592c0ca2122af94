#include "ecc/pack/image.hpp"

#include "ecc/pack/crc32c.hpp"

#include <cstring>
#include <limits>
#include <string>

namespace gmemfs {
namespace {

constexpr char kMagic[8] = {'G', 'M', 'E', 'M', 'P', 'A', 'K', '1'};

// As it lies in memory, little-endian.
struct Header {
    char magic[8];
    std::uint64_t plain_size, image_size;
    std::uint32_t chunk_count, table_checksum;
    std::uint32_t nvcomp;
    std::byte zeros[24];
    std::uint32_t checksum; // of all before it
};
static_assert(sizeof(Header) == kImageHeaderSize);
constexpr std::size_t kChecked = sizeof(Header) - sizeof(std::uint32_t);

Error bad(const char *doing, std::string detail) { return {EBADMSG, 0, doing, std::move(detail)}; }
Error bad_header(std::string detail) { return bad("read header of a packed image", std::move(detail)); }
Error bad_entry(std::size_t chunk, const std::string &detail) {
    return bad("read table of a packed image", "chunk " + std::to_string(chunk) + ": " + detail);
}

std::uint64_t end_of(std::uint64_t offset, std::uint32_t length) {
    return (offset + length + kPlaceUnit - 1) / kPlaceUnit * kPlaceUnit;
}

} // namespace

Result<std::uint64_t> lay_out(std::span<ImageEntry> entries) {
    std::uint64_t offset = first_place(entries.size());
    for (ImageEntry &entry : entries) {
        const std::uint64_t place = offset / kPlaceUnit;
        if (place > std::numeric_limits<std::uint32_t>::max())
            return Error{EFBIG, 0, "pack", "the image would have more than 256 GiB"};
        entry.place = static_cast<std::uint32_t>(place);
        offset = end_of(offset, entry.length());
    }
    return offset;
}

std::array<std::byte, kImageHeaderSize> header_bytes(const ImageHeader &from) {
    Header header{};
    std::memcpy(header.magic, kMagic, sizeof kMagic);
    header.plain_size = from.plain_size;
    header.image_size = from.image_size;
    header.chunk_count = from.chunk_count;
    header.table_checksum = from.table_checksum;
    header.nvcomp = from.nvcomp;
    std::array<std::byte, kImageHeaderSize> bytes;
    std::memcpy(bytes.data(), &header, sizeof header);
    header.checksum = crc32c(std::span(bytes).first(kChecked));
    std::memcpy(bytes.data(), &header, sizeof header);
    return bytes;
}

Result<ImageHeader> parse_header(std::span<const std::byte, kImageHeaderSize> bytes, std::uint64_t room) {
    Header header;
    std::memcpy(&header, bytes.data(), sizeof header);
    if (std::memcmp(header.magic, kMagic, sizeof kMagic) != 0) return bad_header("it doesn't begin with GMEMPAK1");
    if (header.checksum != crc32c(bytes.first(kChecked))) return bad_header("its checksum is wrong");
    for (const std::byte byte : header.zeros)
        if (byte != std::byte{0}) return bad_header("bytes that must be zeros aren't");
    if (header.chunk_count != chunk_count(header.plain_size))
        return bad_header(
            std::to_string(header.chunk_count) + " chunks don't make " + std::to_string(header.plain_size) + " bytes");
    if (header.image_size > room)
        return bad_header(
            "an image of " + std::to_string(header.image_size) + " bytes doesn't fit into " + std::to_string(room));
    if (header.image_size < first_place(header.chunk_count)) return bad_header("its table doesn't fit into it");
    return ImageHeader{header.plain_size, header.image_size, header.chunk_count, header.table_checksum, header.nvcomp};
}

Result<ImageTable> parse_table(const ImageHeader &header, std::span<const std::byte> bytes) {
    GMEMFS_ASSERT(bytes.size() == header.chunk_count * sizeof(ImageEntry));
    if (crc32c(bytes) != header.table_checksum) return bad("read table of a packed image", "its checksum is wrong");
    ImageTable table{header.plain_size, header.image_size, std::vector<ImageEntry>(header.chunk_count), header.nvcomp};
    if (!bytes.empty()) std::memcpy(table.entries.data(), bytes.data(), bytes.size());
    std::uint64_t offset = first_place(header.chunk_count);
    for (std::size_t chunk = 0; chunk < table.entries.size(); ++chunk) {
        const ImageEntry &entry = table.entries[chunk];
        const auto codec = static_cast<unsigned>(entry.codec());
        if (codec >= kCodecs) return bad_entry(chunk, "no codec has number " + std::to_string(codec));
        if (is_ans(entry.codec()) && header.nvcomp == 0) return bad_entry(chunk, "its codec is nvCOMP's of no version");
        if (entry.length() < shortest_of(entry.codec()) || entry.length() > longest_of(entry.codec()))
            return bad_entry(chunk, "a length of " + std::to_string(entry.length()) + " bytes can't be");
        if (entry.offset() != offset) return bad_entry(chunk, "it isn't where the one before ends");
        if (entry.zero != 0) return bad_entry(chunk, "bytes that must be zeros aren't");
        offset = end_of(offset, entry.length());
        if (offset > header.image_size) return bad_entry(chunk, "it ends behind the image");
    }
    if (offset != header.image_size)
        return bad("read table of a packed image", "the last chunk doesn't end where the image does");
    return table;
}

Result<void> ImageTable::check_portable() const {
    if (nvcomp == 0) return {};
    return bad("use packed image", "it has chunks by nvCOMP's ANS, which only the memory of a mount may have");
}

} // namespace gmemfs
