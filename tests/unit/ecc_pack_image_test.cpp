// Unit tests: an image's header and table are believed nothing.
#include "ecc/pack/crc32c.hpp"
#include "tests/support/pack_reference.hpp"

#include <algorithm>
#include <cstring>
#include <gtest/gtest.h>
#include <string_view>

namespace gmemfs {
namespace {

using test::Bytes;
using test::PackedChunk;

constexpr std::uint64_t kRoom = 1 << 20;

// Five chunks, one of each codec, and an end in the middle of the last one.
struct Parts {
    Parts() {
        entries = {{0, ImageEntry::pack(Codec::zero, 0), 0, 0}, {0, ImageEntry::pack(Codec::fill, 4), 11, 0},
            {0, ImageEntry::pack(Codec::raw, kChunk), 12, 0},
            {0, ImageEntry::pack(Codec::bf16, FloatLayout<2>::kEscapes + 77), 13, 0},
            {0, ImageEntry::pack(Codec::fp32, kPackedMax), 14, 0}};
        header = {4 * kChunk + 1, *lay_out(entries), 5, 0};
    }
    std::span<const std::byte> table() const { return std::as_bytes(std::span(entries)); }
    void seal() { header.table_checksum = crc32c(table()); }

    ImageHeader header{};
    std::vector<ImageEntry> entries;
};

Result<ImageTable> parse(const Parts &parts) {
    const std::array bytes = header_bytes(parts.header);
    const ImageHeader header = TRY(parse_header(bytes, kRoom));
    return parse_table(header, parts.table());
}

// The errno and, for the reader, what it says.
void expect_bad(const Parts &parts, std::string_view says) {
    const Result<ImageTable> parsed = parse(parts);
    ASSERT_FALSE(parsed) << says;
    EXPECT_EQ(parsed.error().code, EBADMSG);
    EXPECT_NE(parsed.error().text().find(says), std::string::npos) << parsed.error().text();
}

TEST(Image, WhatIsWrittenIsReadAgain) {
    Parts parts;
    parts.seal();
    const Result<ImageTable> parsed = parse(parts);
    ASSERT_TRUE(parsed) << parsed.error().text();
    EXPECT_EQ(parsed->plain_size, 4 * kChunk + 1);
    EXPECT_EQ(parsed->image_size, parts.header.image_size);
    ASSERT_EQ(parsed->entries.size(), 5U);
    EXPECT_EQ(parsed->entries[0].offset(), 192U); // 64 + 5 * 16, rounded up
    EXPECT_EQ(parsed->entries[2].offset(), 256U);
    EXPECT_EQ(parsed->entries[3].codec(), Codec::bf16);
    EXPECT_EQ(std::memcmp(parsed->entries.data(), parts.entries.data(), parts.table().size()), 0);
}

TEST(Image, HeaderIsTheFormats) {
    const std::vector<PackedChunk> chunks = {{Codec::zero, {}}, {Codec::fill, {1, 2, 3, 4}}};
    const Bytes image = test::reference_image(chunks, kChunk + 5);
    const auto bytes = std::as_bytes(std::span(image));
    const Result<ImageHeader> header = parse_header(bytes.first<kImageHeaderSize>(), image.size());
    ASSERT_TRUE(header) << header.error().text();
    EXPECT_TRUE(std::ranges::equal(header_bytes(*header), bytes.first(kImageHeaderSize)));
    const Result<ImageTable> table = parse_table(*header, bytes.subspan(kImageHeaderSize, 32));
    ASSERT_TRUE(table) << table.error().text();
    EXPECT_EQ(table->image_size, image.size());
    EXPECT_EQ(table->entries[1].checksum, test::reference_crc32c(chunks[1].bytes));
}

TEST(Image, AnyBitOfTheHeaderThatIsTurnedIsFound) {
    Parts parts;
    parts.seal();
    const std::array whole = header_bytes(parts.header);
    for (unsigned bit = 0; bit < kImageHeaderSize * 8; ++bit) {
        std::array bytes = whole;
        bytes.at(bit / 8) ^= std::byte(1U << bit % 8);
        const Result<ImageHeader> parsed = parse_header(bytes, kRoom);
        ASSERT_FALSE(parsed) << bit;
        EXPECT_EQ(parsed.error().code, EBADMSG);
    }
}

TEST(Image, HeadersThatLieAreRefused) {
    const auto with = [](auto change) {
        Parts parts;
        parts.seal();
        change(parts.header);
        return parts;
    };
    expect_bad(with([](ImageHeader &header) { header.plain_size = 5 * kChunk + 1; }), "5 chunks don't make");
    expect_bad(with([](ImageHeader &header) { header.plain_size = UINT64_MAX; }), "5 chunks don't make");
    expect_bad(with([](ImageHeader &header) { header.plain_size = 0; }), "5 chunks don't make");
    expect_bad(with([](ImageHeader &header) { header.chunk_count = UINT32_MAX; }), "chunks don't make");
    expect_bad(with([](ImageHeader &header) { header.image_size = kRoom + 1; }), "doesn't fit into");
    expect_bad(with([](ImageHeader &header) { header.image_size = UINT64_MAX; }), "doesn't fit into");
    expect_bad(with([](ImageHeader &header) { header.image_size = 128; }), "its table doesn't fit into it");
    expect_bad(with([](ImageHeader &header) { header.image_size += kPlaceUnit; }), "the last chunk doesn't end");
    expect_bad(with([](ImageHeader &header) { header.image_size -= 1; }), "ends behind the image");
    expect_bad(with([](ImageHeader &header) { header.table_checksum ^= 1; }), "table of a packed image");
    // 2^32 chunks: the table would be far larger than the room.
    Parts huge;
    huge.header = {std::uint64_t{UINT32_MAX} * kChunk, kRoom, UINT32_MAX, 0};
    expect_bad(huge, "its table doesn't fit into it");
    // Zeros that aren't, with a checksum that fits.
    Parts parts;
    parts.seal();
    Bytes bytes(kImageHeaderSize);
    const std::array whole = header_bytes(parts.header);
    std::memcpy(bytes.data(), whole.data(), whole.size());
    bytes[40] = 1;
    const std::uint32_t checksum = test::reference_crc32c(std::span(bytes).first(60));
    std::memcpy(&bytes[60], &checksum, sizeof checksum);
    const Result<ImageHeader> parsed = parse_header(std::as_bytes(std::span(bytes)).first<kImageHeaderSize>(), kRoom);
    ASSERT_FALSE(parsed);
    EXPECT_NE(parsed.error().text().find("must be zeros"), std::string::npos);
}

TEST(Image, ChunksOfNvcompAreForMemoryAlone) {
    Parts parts;
    parts.entries[4].packed = ImageEntry::pack(Codec::ans_half, 90000);
    parts.header.nvcomp = 6012;
    parts.header.image_size = *lay_out(parts.entries);
    parts.seal();
    const Result<ImageTable> parsed = parse(parts);
    ASSERT_TRUE(parsed) << parsed.error().text();
    EXPECT_EQ(parsed->nvcomp, 6012U);
    const Result<void> portable = parsed->check_portable();
    ASSERT_FALSE(portable);
    EXPECT_EQ(portable.error().code, EBADMSG);
    parts.entries[4].packed = ImageEntry::pack(Codec::ans_half, kPackedMax + 1);
    parts.header.image_size = *lay_out(parts.entries);
    parts.seal();
    expect_bad(parts, "chunk 4: a length of");
    EXPECT_TRUE(Parts().header.nvcomp == 0 && parse([] {
        Parts plain;
        plain.seal();
        return plain;
    }())
                                                  ->check_portable());
}

TEST(Image, TablesThatLieAreRefused) {
    const auto with = [](std::size_t chunk, auto change) {
        Parts parts;
        change(parts.entries[chunk]);
        parts.seal();
        return parts;
    };
    const auto packed = [](Codec codec, std::uint32_t length) {
        return [=](ImageEntry &entry) { entry.packed = ImageEntry::pack(codec, length); };
    };
    expect_bad(with(0, packed(Codec{11}, 0)), "chunk 0: no codec has number 11");
    expect_bad(with(4, packed(Codec::ans_half, 90000)), "chunk 4: its codec is nvCOMP's of no version");
    expect_bad(with(4, packed(Codec{255}, 0)), "chunk 4: no codec has number 255");
    expect_bad(with(0, packed(Codec::zero, 1)), "chunk 0: a length of 1 bytes can't be");
    expect_bad(with(1, packed(Codec::fill, 3)), "chunk 1: a length of 3 bytes can't be");
    expect_bad(with(2, packed(Codec::raw, kChunk - 1)), "can't be");
    expect_bad(with(2, packed(Codec::raw, 0xffffff)), "can't be");
    expect_bad(with(3, packed(Codec::bf16, FloatLayout<2>::kEscapes - 1)), "can't be");
    expect_bad(with(3, packed(Codec::bf16, kPackedMax + 1)), "can't be");
    expect_bad(with(4, packed(Codec::fp32, FloatLayout<4>::kEscapes - 1)), "can't be");
    expect_bad(with(4, packed(Codec::fp32, kPackedMax + 1)), "can't be");
    expect_bad(with(3, packed(Codec::bf16, kPackedMax)), "chunk 4: it isn't where the one before ends");
    expect_bad(with(4, packed(Codec::fp32, FloatLayout<4>::kEscapes)), "the last chunk doesn't end");
    for (const std::uint32_t place : {0U, 1U, 2U, UINT32_MAX})
        expect_bad(with(3, [=](ImageEntry &entry) { entry.place = place; }), "chunk 3: it isn't where");
    expect_bad(with(2, [](ImageEntry &entry) { entry.zero = 1; }), "chunk 2: bytes that must be zeros aren't");
    Parts unsealed;
    unsealed.seal();
    unsealed.entries[1].checksum ^= 1;
    expect_bad(unsealed, "its checksum is wrong");
}

TEST(Image, OneOfMoreThan256GiBIsRefused) {
    std::vector<ImageEntry> entries(
        (std::uint64_t{256} << 30) / kChunk, {0, ImageEntry::pack(Codec::raw, kChunk), 0, 0});
    const Result<std::uint64_t> size = lay_out(entries);
    ASSERT_FALSE(size);
    EXPECT_EQ(size.error().code, EFBIG);
    entries.resize(entries.size() - 257); // the table takes 32 MiB
    EXPECT_EQ(*lay_out(entries), entries.size() * (kChunk + sizeof(ImageEntry)) + kImageHeaderSize +
                                     (kPlaceUnit - entries.size() * sizeof(ImageEntry) % kPlaceUnit) % kPlaceUnit);
}

} // namespace
} // namespace gmemfs
