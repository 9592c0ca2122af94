// Image: a packed file: a header, a table with an entry for each chunk of 128 KiB, and the packed chunks.
//
// docs/formats.md has the format. Here are header and table alone; chunks are for the device. Chunks lie in their
// order, each at the first multiple of 64 bytes behind the one before. So a table that says anything else is damaged.
// An image by our own codecs depends on the plain bytes alone.
#pragma once

#include "ecc/pack/chunk.hpp"
#include "vmm/base/result.hpp"

#include <array>
#include <cstddef>
#include <cstdint>
#include <span>
#include <vector>

namespace gmemfs {

inline constexpr std::size_t kImageHeaderSize = 64;

constexpr std::uint64_t chunk_count(std::uint64_t plain_size) {
    return plain_size / kChunk + (plain_size % kChunk != 0);
}
/// Where the first chunk lies: behind the header and a table of so many entries. Bytes.
constexpr std::uint64_t first_place(std::uint64_t chunk_count) {
    return (kImageHeaderSize + chunk_count * sizeof(ImageEntry) + kPlaceUnit - 1) / kPlaceUnit * kPlaceUnit;
}

struct ImageHeader {
    std::uint64_t plain_size, image_size; ///< bytes
    std::uint32_t chunk_count;
    std::uint32_t table_checksum; ///< CRC32C
    std::uint32_t nvcomp = 0;     ///< the version of nvCOMP whose ANS has packed some of the chunks; 0: none
};

/// What is known of an image whose table was checked: each chunk lies inside of it, and has a length that its codec can
/// have.
struct ImageTable {
    std::uint64_t plain_size, image_size; ///< bytes
    std::vector<ImageEntry> entries;
    std::uint32_t nvcomp = 0; ///< as in the header

    /// Why an image from a disk, or one that is to go there, is refused. EBADMSG: no disk has chunks of nvCOMP's.
    Result<void> check_portable() const;
};

/// Gives each entry its place, and returns the image's size. EFBIG: more than 256 GiB.
Result<std::uint64_t> lay_out(std::span<ImageEntry> entries);

/// The bytes of a header; its own checksum is added.
std::array<std::byte, kImageHeaderSize> header_bytes(const ImageHeader &header);
/// `room`: bytes that the image may have at the most. EBADMSG: these bytes begin no image, or a damaged one.
Result<ImageHeader> parse_header(std::span<const std::byte, kImageHeaderSize> bytes, std::uint64_t room);
/// `bytes`: header.chunk_count entries. EBADMSG: the table is damaged.
Result<ImageTable> parse_table(const ImageHeader &header, std::span<const std::byte> bytes);

} // namespace gmemfs
