// Unit tests: the pack kernels' text, compiled for the host, against the reference that goes value by value.
#include "ecc/pack/crc32c.hpp"
#include "ecc/pack/kernels/crc32c.cuh"
#include "ecc/pack/kernels/decode.cuh"
#include "ecc/pack/kernels/encode.cuh"
#include "ecc/pack/kernels/plan.cuh"
#include "ecc/pack/kernels/window.cuh"
#include "tests/support/pack_reference.hpp"
#include "vmm/base/units.hpp"

#include <algorithm>
#include <cstring>
#include <gtest/gtest.h>

namespace gmemfs {
namespace {

using kernels::Warp;
using test::Bytes;
using test::PackedChunk;

constexpr PackFindings kNothing = {PackFindings::kNoChunk, PackFindings::kNoChunk, PackFindings::kNoChunk};

// Memory as a device has it: aligned, and with a margin that must stay as it is.
class Memory {
public:
    explicit Memory(std::size_t size) : size_(size), quads_(size / 16 + 1 + 2 * kMargin / 16) {
        std::memset(quads_.data(), 0x5a, quads_.size() * 16);
    }
    explicit Memory(const Bytes &bytes) : Memory(bytes.size()) { std::ranges::copy(bytes, data()); }
    std::uint8_t *data() { return reinterpret_cast<std::uint8_t *>(quads_.data()) + kMargin; }
    Bytes bytes() { return {data(), data() + size_}; }
    bool is_margin_whole() {
        const std::uint8_t *const before = data() - kMargin, *const after = data() + size_;
        return std::all_of(before, before + kMargin, [](std::uint8_t byte) { return byte == 0x5a; }) &&
               std::all_of(after, after + kMargin, [](std::uint8_t byte) { return byte == 0x5a; });
    }

private:
    static constexpr std::size_t kMargin = 256;
    const std::size_t size_;
    std::vector<kernels::Quad> quads_;
};

PackedChunk encode_chunk(const Bytes &bytes) {
    Memory plain(bytes);
    kernels::PackScratch scratch;
    ImageEntry entry{};
    kernels::pack_plan(Warp(0, 1), plain.data(), &entry, 1, scratch);
    Memory packed(std::size_t(round_up(entry.length(), kPlaceUnit)));
    kernels::pack_encode(Warp(0, 1), plain.data(), packed.data(), &entry, 1, scratch);
    EXPECT_TRUE(packed.is_margin_whole());
    PackFindings findings = kNothing;
    kernels::pack_compare(Warp(0, 1), plain.data(), packed.data(), &entry, 1, 7, &findings);
    EXPECT_EQ(findings.different, PackFindings::kNoChunk);
    const Bytes all = packed.bytes();
    EXPECT_TRUE(std::all_of(all.begin() + entry.length(), all.end(), [](std::uint8_t byte) { return byte == 0; }));
    return {entry.codec(), Bytes(all.begin(), all.begin() + entry.length())};
}

// Decoded by the kernel; nothing where it calls the chunk malformed.
std::optional<Bytes> decode_chunk(const PackedChunk &chunk) {
    Memory packed(chunk.bytes), plain(kChunk);
    const ImageEntry entry = {0, ImageEntry::pack(chunk.codec, std::uint32_t(chunk.bytes.size())), 0, 0};
    PackFindings findings = kNothing;
    kernels::pack_decode(Warp(0, 1), plain.data(), packed.data(), &entry, 1, 7, &findings);
    EXPECT_TRUE(plain.is_margin_whole());
    PackFindings proven = kNothing;
    kernels::pack_prove(Warp(0, 1), packed.data(), &entry, 1, 7, &proven);
    EXPECT_EQ(proven.malformed, findings.malformed);
    if (findings.malformed == 7) return {};
    EXPECT_EQ(findings.malformed, PackFindings::kNoChunk);
    return plain.bytes();
}

TEST(PackKernels, ChunksAreDecodedByTheReference) {
    Random random(1);
    for (const test::PlainKind &kind : test::plain_kinds()) {
        const Bytes plain = kind.make(random, kChunk);
        const PackedChunk packed = encode_chunk(plain);
        if (kind.codec) {
            EXPECT_EQ(packed.codec, *kind.codec) << kind.name;
        }
        const auto decoded = test::reference_decode(packed);
        ASSERT_TRUE(decoded) << kind.name;
        EXPECT_TRUE(*decoded == plain) << kind.name;
        const auto again = decode_chunk(packed);
        ASSERT_TRUE(again) << kind.name;
        EXPECT_TRUE(*again == plain) << kind.name;
        EXPECT_TRUE(encode_chunk(plain).bytes == packed.bytes) << kind.name;
    }
}

TEST(PackKernels, ChunksOfTheReferenceAreDecoded) {
    Random random(2);
    for (const test::PlainKind &kind : test::plain_kinds())
        for (const Codec codec : {Codec::zero, Codec::fill, Codec::raw, Codec::bf16, Codec::fp32}) {
            const Bytes plain = kind.make(random, kChunk);
            const PackedChunk packed = test::reference_encode(plain, codec);
            const auto wanted = test::reference_decode(packed);
            if (!wanted) continue; // longer than it may be
            const auto decoded = decode_chunk(packed);
            ASSERT_TRUE(decoded) << kind.name;
            EXPECT_TRUE(*decoded == *wanted) << kind.name << ", codec " << int(codec);
        }
}

TEST(PackKernels, WeightsShrinkAsPromised) {
    Random random(3);
    const auto ratio = [](const Bytes &plain) { return double(kChunk) / double(encode_chunk(plain).bytes.size()); };
    for (const double deviation : {1e-4, 0.013, 0.02, 1.0, 37.0}) {
        EXPECT_GE(ratio(test::normal_bf16(random, kChunk, deviation)), 1.40) << deviation;
        EXPECT_GE(ratio(test::normal_fp32(random, kChunk, deviation)), 1.15) << deviation;
    }
}

TEST(PackKernels, ChecksumIsTheReferencesForEachLength) {
    Random random(4);
    Bytes bytes(kChunk);
    for (std::uint8_t &byte : bytes) byte = std::uint8_t(random.next());
    Memory memory(bytes);
    std::vector<std::uint32_t> lengths = {kChunk, kChunk - 1, 90384, 111555, 4096, 4095, 4097, 8192 + 127};
    for (std::uint32_t length = 0; length < 300; ++length) lengths.push_back(length);
    for (const std::uint32_t length : lengths) {
        const auto wanted = test::reference_crc32c(std::span(bytes).first(length));
        ASSERT_EQ(kernels::crc_of_chunk(Warp(0, 1), memory.data(), length), wanted) << length;
        ASSERT_EQ(crc32c(std::as_bytes(std::span(bytes).first(length))), wanted) << length;
    }
    const std::string_view standard = "123456789";
    EXPECT_EQ(crc32c(std::as_bytes(std::span(standard))), 0xe3069283U);
}

// Whatever a chunk's bytes are: nothing outside of its target is written, and what isn't the reference's is told.
TEST(PackKernels, DamagedChunksNeverReachOutsideAndAreJudgedAsByTheReference) {
    Random random(5);
    for (int round = 0; round < 60; ++round) {
        const bool is_bf16 = round % 2 == 0;
        PackedChunk packed =
            encode_chunk(is_bf16 ? test::normal_bf16(random, kChunk, 0.02) : test::normal_fp32(random, kChunk, 0.02));
        const std::size_t planes = is_bf16 ? FloatLayout<2>::kCodes : FloatLayout<4>::kCodes;
        for (int change = 0; change < 1 + round % 3; ++change) { // in what isn't a rest plane
            const std::size_t at = planes + random.below(packed.bytes.size() - planes);
            packed.bytes[at] ^= std::uint8_t(1U << random.below(8));
        }
        if (round % 5 == 0)
            packed.bytes.resize(std::min<std::size_t>(packed.bytes.size() + 1 + random.below(99), kPackedMax));
        const auto wanted = test::reference_decode(packed);
        const auto decoded = decode_chunk(packed);
        ASSERT_EQ(decoded.has_value(), wanted.has_value()) << "seed 5, round " << round;
        if (wanted) {
            EXPECT_TRUE(*decoded == *wanted) << "seed 5, round " << round;
        }
    }
    for (int round = 0; round < 10; ++round) { // nothing but noise
        PackedChunk noise{round % 2 == 0 ? Codec::bf16 : Codec::fp32, Bytes(kPackedMax - random.below(9000))};
        for (std::uint8_t &byte : noise.bytes) byte = std::uint8_t(random.next());
        EXPECT_FALSE(decode_chunk(noise));
    }
}

TEST(PackKernels, CompareFindsEachDifference) {
    Random random(6);
    Memory plain(test::normal_bf16(random, kChunk, 0.02));
    kernels::PackScratch scratch;
    ImageEntry entry{};
    kernels::pack_plan(Warp(0, 1), plain.data(), &entry, 1, scratch);
    Memory packed(std::size_t(round_up(entry.length(), kPlaceUnit)));
    kernels::pack_encode(Warp(0, 1), plain.data(), packed.data(), &entry, 1, scratch);
    for (int round = 0; round < 20; ++round) {
        std::uint8_t &byte = plain.data()[random.below(kChunk)];
        const auto bit = std::uint8_t(1U << random.below(8));
        byte ^= bit;
        PackFindings findings = kNothing;
        kernels::pack_compare(Warp(0, 1), plain.data(), packed.data(), &entry, 1, 41, &findings);
        EXPECT_EQ(findings.different, 41U);
        byte ^= bit;
    }
}

// The plain bytes of a chunk have changed since its length was planned.
TEST(PackKernels, EncodeWritesNoMoreThanWasPlanned) {
    Random random(7);
    Memory plain(test::normal_bf16(random, kChunk, 0.02)), other(test::plain_kinds()[10].make(random, kChunk));
    kernels::PackScratch scratch;
    ImageEntry entry{};
    kernels::pack_plan(Warp(0, 1), plain.data(), &entry, 1, scratch);
    Memory packed(std::size_t(round_up(entry.length(), kPlaceUnit)));
    kernels::pack_encode(Warp(0, 1), other.data(), packed.data(), &entry, 1, scratch);
    EXPECT_TRUE(packed.is_margin_whole());
    PackFindings findings = kNothing;
    kernels::pack_compare(Warp(0, 1), other.data(), packed.data(), &entry, 1, 3, &findings);
    EXPECT_EQ(findings.different, 3U);
}

constexpr std::uint64_t kStride = kChunk + 4096;

// Two chunks of nvCOMP's in a window, and one that isn't, which stays where it is.
std::array<ImageEntry, 3> window_entries(std::uint32_t length) {
    return {ImageEntry{0, ImageEntry::pack(Codec::ans_half, length), 0, 0}, {0, ImageEntry::pack(Codec::zero, 0), 0, 0},
        {2048, ImageEntry::pack(Codec::lz4, 70000), 0, 0}};
}
template <typename Kernel>
void run_window(const Kernel &kernel) {
    for (std::uint64_t warp = 0; warp < 3 * kernels::kWindowWarps + 2; ++warp) kernel(Warp(warp, 3));
}

TEST(PackWindow, EachLengthIsGatheredWhole) {
    Random random(12);
    const Bytes window = test::normal_bf16(random, 3 * kStride, 1);
    for (const std::uint32_t length : {1U, 15U, 16U, 127U, 128U, 4097U, 65535U, 90000U}) {
        Memory from(window), image(2048 * kPlaceUnit + 70000);
        const auto entries = window_entries(length);
        run_window([&](const Warp &warp) {
            kernels::pack_gather(warp, from.data(), kStride, image.data(), entries.data(), entries.size());
        });
        Bytes wanted(image.bytes().size(), 0x5a);
        std::copy_n(window.begin(), length, wanted.begin());
        std::copy_n(window.begin() + 2 * kStride, 70000, wanted.begin() + 2048 * kPlaceUnit);
        EXPECT_TRUE(image.bytes() == wanted) << length;
        EXPECT_TRUE(image.is_margin_whole());
    }
}

TEST(PackWindow, AnyByteThatDiffersIsFound) {
    Random random(13);
    const Bytes bytes = test::normal_bf16(random, 3 * kChunk, 1);
    const auto entries = window_entries(90000);
    const auto compare = [&](std::size_t changed) {
        Bytes decoded(3 * kStride);
        for (std::size_t chunk : {0, 2})
            std::copy_n(bytes.begin() + std::ptrdiff_t(chunk * kChunk), kChunk,
                decoded.begin() + std::ptrdiff_t(chunk * kStride));
        if (changed < decoded.size()) decoded[changed] ^= 0x10;
        Memory plain(bytes), window(decoded);
        PackFindings findings = kNothing;
        run_window([&](const Warp &warp) {
            kernels::pack_compare_window(
                warp, plain.data(), window.data(), kStride, entries.data(), entries.size(), 40, &findings);
        });
        return findings.different;
    };
    EXPECT_EQ(compare(~std::size_t(0)), PackFindings::kNoChunk);
    for (const std::size_t at :
        {std::size_t(0), std::size_t(16383), std::size_t(16384), std::size_t(70001), std::size_t(kChunk) - 1}) {
        EXPECT_EQ(compare(at), 40U) << at;
        EXPECT_EQ(compare(2 * kStride + at), 42U) << at;
    }
    EXPECT_EQ(compare(kStride + 5), PackFindings::kNoChunk) << "not nvCOMP's";
}

} // namespace
} // namespace gmemfs
