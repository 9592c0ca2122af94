// Encode: writes each chunk to its place in the image; one warp a chunk.
//
//     plain      plain[chunk][131072]
//     entries    entries[chunk]: as the plan has them, with places
//     image      each chunk's packed bytes at its place, and zeros up to the next multiple of 64
//
// Reads 128 KiB a chunk and writes what the entry says, never more, whatever the plain bytes have become since the
// plan.
#pragma once

#include "ecc/pack/kernels/book.cuh"

namespace gmemfs::kernels {

/// What a lane keeps of a group, until it knows how many escapes come before its own.
struct EncodedUnits {
    Pair exponents[kUnits];
    uint32_t codes[kUnits]; ///< bytes 0 to 2: of each plane; byte 3: the values that are escapes
};

template <unsigned kSize>
GPU_INLINE void encode_float(
    const Warp &warp, const Quad *plain, uint8_t *packed, uint32_t length, PackScratch &scratch) {
    using Layout = FloatLayout<kSize>;
    choose_exponents<kSize>(warp, plain, scratch);
    // Each value adds its code's bits at its number: 8 values make a byte of each plane.
    fill_bins(warp, scratch,
        [](unsigned code) { return (code & 1) | (code & 2) << 7 | (code & 4) << 14 | (code == 7 ? 1u << 24 : 0u); });
    const uint32_t escapes_max = length - Layout::kEscapes;
    uint8_t *const escapes = packed + Layout::kEscapes;
    uint32_t running = 0;
    GPU_NO_UNROLL
    for (unsigned group = 0; group < Layout::kGroups; ++group) {
        const uint32_t total = warp.scan<EncodedUnits>(
            [&](unsigned lane, EncodedUnits &kept) {
                Unit<kSize> loaded[kUnits];
                unrolled<kUnits>([&](auto index) {
                    const uint32_t unit = (group * kUnits + index) * 32 + lane;
                    unrolled<kSize / 2>([&](auto quad) {
                        const Quad *const from = plain + unit * (kSize / 2) + quad;
                        loaded[index].quad[quad] = kSize == 2 ? load_cached(from) : *from;
                    });
                });
                uint32_t count = 0;
                unrolled<kUnits>([&](auto index) {
                    const uint32_t unit = (group * kUnits + index) * 32 + lane;
                    const Parts<kSize> parts = take_apart(loaded[index]);
                    uint32_t codes = 0;
                    unrolled<kUnit>([&](auto value) {
                        codes += look_up<value % 4>(scratch.bins, parts.exponents.word[value / 4]) << value;
                    });
                    kept.codes[index] = codes;
                    kept.exponents[index] = parts.exponents;
                    count += count_bits(codes >> 24) << 16 * index;
                    unrolled<Layout::kRestPlanes>([&](auto plane) {
                        store_pair_once(
                            reinterpret_cast<Pair *>(packed + plane * Layout::kValues) + unit, parts.rest[plane]);
                    });
                    unrolled<3>([&](auto plane) {
                        packed[Layout::kCodes + plane * Layout::kCodePlane + unit] = uint8_t(codes >> 8 * plane);
                    });
                });
                return count;
            },
            [&](unsigned lane, const EncodedUnits &kept, uint32_t before, uint32_t all) {
                unrolled<kUnits>([&](auto index) {
                    uint32_t at = running + (index == 0 ? before & 0xffff : (all & 0xffff) + (before >> 16));
                    uint32_t left = kept.codes[index] >> 24;
                    while (left != 0) {
                        const unsigned value = first_bit(left);
                        left &= left - 1;
                        const Pair &exponents = kept.exponents[index];
                        const uint32_t word = value < 4 ? exponents.word[0] : exponents.word[1];
                        if (at < escapes_max) escapes[at] = uint8_t(word >> 8 * (value % 4));
                        ++at;
                    }
                });
                if (lane == 0) reinterpret_cast<uint16_t *>(packed + Layout::kStarts)[group] = uint16_t(running);
            });
        running += (total & 0xffff) + (total >> 16);
    }
    warp.once([&] {
        const uint32_t(&code)[7] = scratch.exponents;
        *reinterpret_cast<Book *>(packed + Layout::kBook) = {
            {code[0] | code[1] << 8 | code[2] << 16 | code[3] << 24, code[4] | code[5] << 8 | code[6] << 16}, running,
            0};
    });
}

/// kernel pack_encode
GPU_INLINE void pack_encode(const Warp &warp, const uint8_t *all_plain, uint8_t *image, const ImageEntry *entries,
    uint64_t count, PackScratch &scratch) {
    if (warp.index() >= count) return;
    const ImageEntry entry = entries[warp.index()];
    const auto *const plain = reinterpret_cast<const Quad *>(all_plain + warp.index() * kChunk);
    uint8_t *const packed = image + entry.offset();
    const uint32_t length = entry.length();
    switch (entry.codec()) {
    case Codec::zero: break;
    case Codec::fill: warp.once([&] { *reinterpret_cast<uint32_t *>(packed) = plain->word[0]; }); break;
    case Codec::raw:
        warp.each_lane([&](unsigned lane) {
            constexpr unsigned kAhead = 4;
            GPU_NO_UNROLL
            for (unsigned row = 0; row < kRows; row += kAhead) {
                Quad quads[kAhead];
                unrolled<kAhead>([&](auto step) { quads[step] = load_cached(plain + (row + step) * 32 + lane); });
                unrolled<kAhead>([&](auto step) {
                    store_once(reinterpret_cast<Quad *>(packed) + (row + step) * 32 + lane, quads[step]);
                });
            }
        });
        break;
    case Codec::bf16: encode_float<2>(warp, plain, packed, length, scratch); break;
    case Codec::fp32: encode_float<4>(warp, plain, packed, length, scratch); break;
    case Codec::ans_bytes:
    case Codec::ans_fp8:
    case Codec::ans_half:
    case Codec::ans_single:
    case Codec::lz4:
    case Codec::zstd: break; // pack_gather brings it, or a processor
    }
    warp.each_lane([&](unsigned lane) { // the gap to the next chunk
        const uint32_t end = (length + kPlaceUnit - 1) / kPlaceUnit * kPlaceUnit;
        for (uint32_t at = length + lane; at < end; at += 32) packed[at] = 0;
    });
}

} // namespace gmemfs::kernels
