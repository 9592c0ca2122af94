// Decode: makes the plain bytes of each chunk again, compares them with those that are there, or only proves the chunk.
// One warp does a chunk.
//
//     image      each chunk's packed bytes at its place
//     entries    entries[chunk], as the host has checked them: places inside the image, lengths that the codecs have
//     plain      plain[chunk][131072]: written by decode, read by compare, none for prove
//
// What the packed bytes say is not believed, although their checksum fits: codes can name nothing but the book's 8
// bytes, and where an escape is read is clamped to the chunk's. The starts of groups must agree with the codes: where
// they don't, or where the book doesn't, the chunk is malformed. Reads what is packed, and writes 128 KiB a chunk, or
// reads it; prove reads codes, starts and books alone, as far as the compiler sees it.
#pragma once

#include "ecc/pack/kernels/book.cuh"

namespace gmemfs::kernels {

/// What a lane keeps of a group, until it knows which escapes are its own.
template <unsigned kSize>
struct DecodedUnits {
    Parts<kSize> parts[kUnits];
    uint32_t escapes[kUnits]; ///< bit n: value n is one
};

/// 8 codes, a nibble each, of the bytes of 3 planes: bit n of plane k becomes bit k of nibble n.
GPU_INLINE uint32_t codes_of(uint32_t plane0, uint32_t plane1, uint32_t plane2) {
    // Values 0 to 3 in the low half, 4 to 7 in the high one, a nibble of each plane beside the other: two matrices of 4
    // by 4 bits, which are transposed by swapping bits, then pairs of bits.
    uint32_t bits = (plane0 * 0x1001 & 0x000f000f) | (plane1 * 0x10010 & 0x00f000f0) | (plane2 * 0x100100 & 0x0f000f00);
    uint32_t swapped = (bits ^ bits >> 3) & 0x0a0a0a0a;
    bits ^= swapped ^ swapped << 3;
    swapped = (bits ^ bits >> 6) & 0x00cc00cc;
    return bits ^ swapped ^ swapped << 6;
}

/// Hands each Quad of the chunk to sink(its number, the Quad). False: the packed bytes are no such chunk.
template <unsigned kSize, typename Sink>
GPU_INLINE bool decode_float(const Warp &warp, const uint8_t *packed, uint32_t length, const Sink &sink) {
    using Layout = FloatLayout<kSize>;
    const Book book = *reinterpret_cast<const Book *>(packed + Layout::kBook);
    const uint8_t *const escapes = packed + Layout::kEscapes;
    const auto *const starts = reinterpret_cast<const uint16_t *>(packed + Layout::kStarts);
    const uint32_t escape_count = length - Layout::kEscapes;
    bool fits = book.escape_count == escape_count && book.zero == 0 && book.exponents[1] >> 24 == 0;
    uint32_t running = 0;
    GPU_NO_UNROLL
    for (unsigned group = 0; group < Layout::kGroups; ++group) {
        fits &= starts[group] == running;
        const uint32_t total = warp.scan<DecodedUnits<kSize>>(
            [&](unsigned lane, DecodedUnits<kSize> &kept) {
                uint32_t planes[kUnits][3];
                unrolled<kUnits>([&](auto index) {
                    const uint32_t unit = (group * kUnits + index) * 32 + lane;
                    unrolled<3>([&](auto plane) {
                        planes[index][plane] = packed[Layout::kCodes + plane * Layout::kCodePlane + unit];
                    });
                    unrolled<Layout::kRestPlanes>([&](auto plane) {
                        kept.parts[index].rest[plane] =
                            load_pair_once(reinterpret_cast<const Pair *>(packed + plane * Layout::kValues) + unit);
                    });
                });
                uint32_t count = 0;
                unrolled<kUnits>([&](auto index) {
                    const uint32_t(&plane)[3] = planes[index];
                    const uint32_t codes = codes_of(plane[0], plane[1], plane[2]);
                    kept.parts[index].exponents = {{byte_perm(book.exponents[0], book.exponents[1], codes),
                        byte_perm(book.exponents[0], book.exponents[1], codes >> 16)}};
                    kept.escapes[index] = plane[0] & plane[1] & plane[2];
                    count += count_bits(kept.escapes[index]) << 16 * index;
                });
                return count;
            },
            [&](unsigned lane, DecodedUnits<kSize> &kept, uint32_t before, uint32_t all) {
                unrolled<kUnits>([&](auto index) {
                    uint32_t at = running + (index == 0 ? before & 0xffff : (all & 0xffff) + (before >> 16));
                    Pair &exponents = kept.parts[index].exponents;
                    for (uint32_t left = kept.escapes[index]; left != 0; left &= left - 1, ++at) {
                        const unsigned value = first_bit(left);
                        const uint32_t exponent = at < escape_count ? escapes[at] : 0;
                        exponents.word[0] |= value < 4 ? exponent << 8 * value : 0;
                        exponents.word[1] |= value < 4 ? 0 : exponent << 8 * (value - 4);
                    }
                    const Unit<kSize> unit = put_together(kept.parts[index]);
                    unrolled<kSize / 2>([&](auto quad) {
                        sink(((group * kUnits + index) * 32 + lane) * (kSize / 2) + quad, unit.quad[quad]);
                    });
                });
            });
        running += (total & 0xffff) + (total >> 16);
    }
    return fits && running == escape_count;
}

template <typename Sink>
GPU_INLINE bool decode_chunk(const Warp &warp, const uint8_t *packed, const ImageEntry &entry, const Sink &sink) {
    const auto each_quad = [&](const auto &quad_at) {
        warp.each_lane([&](unsigned lane) {
            constexpr unsigned kAhead = 4;
            GPU_NO_UNROLL
            for (unsigned row = 0; row < kRows; row += kAhead) {
                Quad quads[kAhead];
                unrolled<kAhead>([&](auto step) { quads[step] = quad_at((row + step) * 32 + lane); });
                unrolled<kAhead>([&](auto step) { sink((row + step) * 32 + lane, quads[step]); });
            }
        });
        return true;
    };
    switch (entry.codec()) {
    case Codec::zero: return each_quad([](uint32_t) -> Quad { return {}; });
    case Codec::fill: {
        const uint32_t word = *reinterpret_cast<const uint32_t *>(packed);
        return each_quad([=](uint32_t) -> Quad { return {{word, word, word, word}}; });
    }
    case Codec::raw:
        return each_quad([=](uint32_t at) { return load_once(reinterpret_cast<const Quad *>(packed) + at); });
    case Codec::bf16: return decode_float<2>(warp, packed, entry.length(), sink);
    case Codec::fp32: return decode_float<4>(warp, packed, entry.length(), sink);
    case Codec::ans_bytes:
    case Codec::ans_fp8:
    case Codec::ans_half:
    case Codec::ans_single:
    case Codec::lz4:
    case Codec::zstd: return true; // others' to decode; nothing is given to the sink
    }
    return false;
}

/// kernel pack_decode: of `count` chunks, which are told by their numbers from `first`.
GPU_INLINE void pack_decode(const Warp &warp, uint8_t *all_plain, const uint8_t *image, const ImageEntry *entries,
    uint64_t count, uint64_t first, PackFindings *findings) {
    if (warp.index() >= count) return;
    const ImageEntry entry = entries[warp.index()];
    auto *const plain = reinterpret_cast<Quad *>(all_plain + warp.index() * kChunk);
    const bool fits = decode_chunk(
        warp, image + entry.offset(), entry, [=](uint32_t at, const Quad &quad) { store_once(plain + at, quad); });
    if (!fits) warp.once([&] { atomic_min(&findings->malformed, first + warp.index()); });
}

/// kernel pack_compare: writes no plain byte.
GPU_INLINE void pack_compare(const Warp &warp, const uint8_t *all_plain, const uint8_t *image,
    const ImageEntry *entries, uint64_t count, uint64_t first, PackFindings *findings) {
    if (warp.index() >= count) return;
    const ImageEntry entry = entries[warp.index()];
    const auto *const plain = reinterpret_cast<const Quad *>(all_plain + warp.index() * kChunk);
    uint32_t different = 0;
    const bool fits = decode_chunk(warp, image + entry.offset(), entry, [&](uint32_t at, const Quad &quad) {
        const Quad there = plain[at];
        unrolled<4>([&](auto word) { different |= there.word[word] ^ quad.word[word]; });
    });
    const uint32_t any = warp.largest([&](unsigned) { return different; });
    if (any != 0 || !fits) warp.once([&] { atomic_min(&findings->different, first + warp.index()); });
}

/// kernel pack_prove: which chunks pack_decode would call malformed; there are no plain bytes.
GPU_INLINE void pack_prove(const Warp &warp, const uint8_t *image, const ImageEntry *entries, uint64_t count,
    uint64_t first, PackFindings *findings) {
    if (warp.index() >= count) return;
    const ImageEntry entry = entries[warp.index()];
    const bool fits = decode_chunk(warp, image + entry.offset(), entry, [](uint32_t, const Quad &) {});
    if (!fits) warp.once([&] { atomic_min(&findings->malformed, first + warp.index()); });
}

} // namespace gmemfs::kernels
