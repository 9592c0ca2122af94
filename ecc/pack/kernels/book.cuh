// Book: which 7 exponents of a chunk get codes, told by a sample, and how a lane takes values apart.
//
// A unit is what a lane has at a time: 8 values, whose codes are a byte of each plane. A group of 512 values is two
// units of each lane, 256 values apart. So lanes next to each other read and write next to each other, and a warp
// needs no vote to make a plane.
//
//     plain      unit u of lane l: values group * 512 + u * 256 + l * 8, the next 8
//     planes     one byte; rest planes 8 bytes
#pragma once

#include "ecc/pack/chunk.hpp"

namespace gmemfs::kernels {

inline constexpr unsigned kUnit = 8;                ///< values
inline constexpr unsigned kUnits = 2;               ///< of a lane in a group
inline constexpr uint32_t kRow = 32 * sizeof(Quad); ///< bytes that a warp loads at once
inline constexpr uint32_t kRows = kChunk / kRow;

/// Of each warp, in memory that its lanes share.
struct PackScratch {
    uint32_t bins[256];    ///< how often an exponent was met; then what is looked up by an exponent
    uint32_t exponents[7]; ///< of the book
};

/// 8 values as they lie in the file.
template <unsigned kSize>
struct Unit {
    Quad quad[kSize / 2];
};
/// The same, taken apart: a Pair is 8 bytes, one of each value.
template <unsigned kSize>
struct Parts {
    Pair exponents;
    Pair rest[kSize - 1]; ///< as the rest planes have it
};

/// The 7 low bits of each byte of `one` moved up by one, and the highest bit of `other` below them.
GPU_INLINE uint32_t mix(uint32_t one, uint32_t other) { return (one << 1 & 0xfefefefe) | (other >> 7 & 0x01010101); }
/// mix() backwards: the 7 high bits of `one`, and above them the lowest bit of `other`.
GPU_INLINE uint32_t unmix(uint32_t one, uint32_t other) { return (one >> 1 & 0x7f7f7f7f) | (other << 7 & 0x80808080); }

template <unsigned kSize>
GPU_INLINE Parts<kSize> take_apart(const Unit<kSize> &unit) {
    Parts<kSize> parts;
    unrolled<2>([&](auto half) { // 4 values
        uint32_t low, high;      // a byte of each: the exponent's lowest bit and the mantissa; the sign and the others
        if constexpr (kSize == 2) {
            const uint32_t one = unit.quad[0].word[half * 2], two = unit.quad[0].word[half * 2 + 1];
            low = byte_perm(one, two, 0x6420);
            high = byte_perm(one, two, 0x7531);
        } else {
            const uint32_t(&word)[4] = unit.quad[half].word;
            const uint32_t mantissa01 = byte_perm(word[0], word[1], 0x5140);
            const uint32_t mantissa23 = byte_perm(word[2], word[3], 0x5140);
            const uint32_t top01 = byte_perm(word[0], word[1], 0x7362), top23 = byte_perm(word[2], word[3], 0x7362);
            parts.rest[0].word[half] = byte_perm(mantissa01, mantissa23, 0x5410);
            parts.rest[1].word[half] = byte_perm(mantissa01, mantissa23, 0x7632);
            low = byte_perm(top01, top23, 0x5410);
            high = byte_perm(top01, top23, 0x7632);
        }
        parts.rest[kSize - 2].word[half] = mix(low, high);
        parts.exponents.word[half] = mix(high, low);
    });
    return parts;
}

template <unsigned kSize>
GPU_INLINE Unit<kSize> put_together(const Parts<kSize> &parts) {
    Unit<kSize> unit;
    unrolled<2>([&](auto half) {
        const uint32_t rest = parts.rest[kSize - 2].word[half], exponents = parts.exponents.word[half];
        const uint32_t low = unmix(rest, exponents), high = unmix(exponents, rest);
        if constexpr (kSize == 2) {
            unit.quad[0].word[half * 2] = byte_perm(low, high, 0x5140);
            unit.quad[0].word[half * 2 + 1] = byte_perm(low, high, 0x7362);
        } else {
            const uint32_t byte0 = parts.rest[0].word[half], byte1 = parts.rest[1].word[half];
            const uint32_t mantissa01 = byte_perm(byte0, byte1, 0x5140), mantissa23 = byte_perm(byte0, byte1, 0x7362);
            const uint32_t top01 = byte_perm(low, high, 0x5140), top23 = byte_perm(low, high, 0x7362);
            uint32_t(&word)[4] = unit.quad[half].word;
            word[0] = byte_perm(mantissa01, top01, 0x5410);
            word[1] = byte_perm(mantissa01, top01, 0x7632);
            word[2] = byte_perm(mantissa23, top23, 0x5410);
            word[3] = byte_perm(mantissa23, top23, 0x7632);
        }
    });
    return unit;
}

/// What the bins hold for value `kValue` of 4, whose exponents are the bytes of a word.
template <unsigned kValue>
GPU_INLINE uint32_t look_up(const uint32_t (&bins)[256], uint32_t exponents) {
    return bins[exponents >> 8 * kValue & 0xff];
}

/// Fills the bins: bins[exponent] = entry_of(code).
template <typename EntryOf>
GPU_INLINE void fill_bins(const Warp &warp, PackScratch &scratch, const EntryOf &entry_of) {
    warp.each_lane(
        [&](unsigned lane) { unrolled<8>([&](auto part) { scratch.bins[part * 32 + lane] = entry_of(7); }); });
    warp.once([&] { // a code that isn't used names exponent 0: of equal exponents the first code counts
        unrolled<7>([&](auto round) { scratch.bins[scratch.exponents[6 - round]] = entry_of(6 - round); });
    });
}

/// Counts the exponents of 1,024 values, in rows all over the chunk, and leaves the 7 commonest, the most common first,
/// in scratch.exponents. Returns how many of the 1,024 have another one. Depends on the bytes alone.
template <unsigned kSize>
GPU_INLINE uint32_t choose_exponents(const Warp &warp, const Quad *plain, PackScratch &scratch) {
    constexpr unsigned kSampled = 1024 * kSize / kRow;
    warp.each_lane([&](unsigned lane) { unrolled<8>([&](auto part) { scratch.bins[part * 32 + lane] = 0; }); });
    warp.each_lane([&](unsigned lane) {
        Quad quads[kSampled];
        unrolled<kSampled>([&](auto row) {
            quads[row] = load_cached(plain + (row * (kRows / kSampled) + kRows / kSampled / 2) * 32 + lane);
        });
        unrolled<kSampled>([&](auto row) {
            unrolled<4>([&](auto index) {
                const uint32_t word = quads[row].word[index];
                atomic_add(&scratch.bins[word >> 23 & 0xff], 1);
                if constexpr (kSize == 2) atomic_add(&scratch.bins[word >> 7 & 0xff], 1);
            });
        });
    });
    uint32_t others = 1024;
    GPU_NO_UNROLL
    for (unsigned code = 0; code < 7; ++code) {
        const uint32_t best = warp.largest([&](unsigned lane) { // of equally common ones the smallest exponent
            uint32_t largest = 0;
            unrolled<8>([&](auto part) {
                const uint32_t key = scratch.bins[part * 32 + lane] << 8 | (255 - part * 32 - lane);
                largest = key > largest ? key : largest;
            });
            return largest;
        });
        const uint32_t count = best >> 8, exponent = count == 0 ? 0 : 255 - (best & 0xff);
        others -= count;
        warp.once([&] {
            scratch.exponents[code] = exponent;
            scratch.bins[exponent] = 0;
        });
    }
    return others;
}

} // namespace gmemfs::kernels
