// Fuzzer: a packed image, with checksums that fit: its table, and each chunk decoded by the kernels' host twin; refused
// or decoded, and nothing is touched but the chunk and its target.
#include "ecc/pack/crc32c.hpp"
#include "ecc/pack/image.hpp"
#include "ecc/pack/kernels/crc32c.cuh"
#include "ecc/pack/kernels/decode.cuh"
#include "ecc/pack/processor_work.hpp"

#include <algorithm>
#include <cstring>
#include <memory>
#include <vector>

namespace {

using namespace gmemfs;

// 64 bytes as memory on a device is aligned. In allocations of their own, so that what is read past an end is seen.
struct alignas(kPlaceUnit) Line {
    std::uint8_t bytes[kPlaceUnit];
};
std::unique_ptr<Line[]> lines(std::size_t size) {
    return std::make_unique<Line[]>((size + kPlaceUnit - 1) / kPlaceUnit);
}

void decode(const std::uint8_t *image, const ImageEntry &entry) {
    const auto packed = lines(entry.length()), plain = lines(kChunk + kPlaceUnit);
    if (entry.length() != 0) std::memcpy(packed.get()->bytes, image + entry.offset(), entry.length());
    if (entry.codec() == Codec::lz4 || entry.codec() == Codec::zstd) { // any bytes are taken
        const std::vector<std::byte> stream(reinterpret_cast<const std::byte *>(image + entry.offset()),
            reinterpret_cast<const std::byte *>(image + entry.offset() + entry.length()));
        std::vector<std::byte> made(kChunk);
        (void)decode_stream(entry.codec(), stream, made);
    }
    ImageEntry own = entry;
    own.place = 0;
    PackFindings found = {PackFindings::kNoChunk, PackFindings::kNoChunk, PackFindings::kNoChunk};
    kernels::pack_check(kernels::Warp(0, 1), packed.get()->bytes, &own, 1, 0, &found);
    kernels::pack_decode(kernels::Warp(0, 1), plain.get()->bytes, packed.get()->bytes, &own, 1, 0, &found);
    GMEMFS_ASSERT(plain[kChunk / kPlaceUnit].bytes[0] == 0); // the line behind the target
    PackFindings proven = {PackFindings::kNoChunk, PackFindings::kNoChunk, PackFindings::kNoChunk};
    kernels::pack_prove(kernels::Warp(0, 1), packed.get()->bytes, &own, 1, 0, &proven);
    GMEMFS_ASSERT(proven.malformed == found.malformed);
    if (found.malformed != PackFindings::kNoChunk) return;
    kernels::pack_compare(kernels::Warp(0, 1), plain.get()->bytes, packed.get()->bytes, &own, 1, 0, &found);
    GMEMFS_ASSERT(found.different == PackFindings::kNoChunk);
}

// One chunk: the input ends where the escapes begin, so it has the book, the starts of groups and the last codes.
void decode_one(Codec codec, std::span<const std::uint8_t> input) {
    const std::uint32_t fixed = shortest_of(codec), room = longest_of(codec) - fixed;
    const std::uint32_t escapes = (input[0] | std::uint32_t{input[1]} << 8) % (room + 1);
    const ImageEntry entry = {1, ImageEntry::pack(codec, fixed + escapes), 0, 0};
    const auto image = lines(kPlaceUnit + entry.length());
    const std::size_t part = std::min<std::size_t>(input.size(), fixed);
    if (part != 0) std::memcpy(image.get()->bytes + kPlaceUnit + fixed - part, input.data(), part);
    decode(image.get()->bytes, entry);
}

} // namespace

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t *data, std::size_t size) {
    const std::span input(data, size);
    if (size < kImageHeaderSize) return 0;
    std::array<std::byte, kImageHeaderSize> bytes;
    std::memcpy(bytes.data(), data, bytes.size());
    if (const Result<ImageHeader> header = parse_header(bytes, size); !header)
        GMEMFS_ASSERT(header.error().code == EBADMSG);
    // The same with a magic and checksums that fit, so that the rest is looked at.
    const std::uint32_t count = data[24] % 8;
    const std::size_t table_size = std::min<std::size_t>(count * sizeof(ImageEntry), size - kImageHeaderSize);
    std::vector<std::byte> table(count * sizeof(ImageEntry));
    std::ranges::copy(std::as_bytes(input.subspan(kImageHeaderSize, table_size)), table.begin());
    ImageHeader fitting{std::uint64_t{count} * kChunk, 0, count, 0};
    std::memcpy(&fitting.image_size, data + 16, 3);
    if (data[25] % 2 == 0 && count != 0) { // places that fit
        std::vector<ImageEntry> entries(count);
        std::memcpy(entries.data(), table.data(), table.size());
        for (ImageEntry &entry : entries) {
            entry.zero = 0;
            const auto codec = static_cast<Codec>((entry.packed >> 24) % kCodecs);
            entry.packed = ImageEntry::pack(codec, std::clamp(entry.length(), shortest_of(codec), longest_of(codec)));
        }
        fitting.image_size = *lay_out(entries);
        std::memcpy(table.data(), entries.data(), table.size());
    }
    fitting.nvcomp = data[26] % 2 == 0 ? 0 : 6000;
    fitting.table_checksum = crc32c(table);
    const Result<ImageHeader> header = parse_header(header_bytes(fitting), UINT64_MAX);
    if (!header) {
        GMEMFS_ASSERT(header.error().code == EBADMSG);
    } else if (const Result<ImageTable> parsed = parse_table(*header, table); !parsed) {
        GMEMFS_ASSERT(parsed.error().code == EBADMSG);
    } else {
        std::uint64_t end = first_place(count);
        for (const ImageEntry &entry : parsed->entries) {
            GMEMFS_ASSERT(entry.offset() >= end && entry.offset() + entry.length() <= parsed->image_size);
            end = entry.offset() + entry.length();
        }
    }
    if (data[1] % 8 == 0) decode_one(static_cast<Codec>(data[0] % kCodecs), input.subspan(2));
    return 0;
}
