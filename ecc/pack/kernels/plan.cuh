// Plan: the codec and the exact length of each chunk; one warp a chunk.
//
//     plain      plain[chunk][131072]
//     entries    entries[chunk]: the codec and the length are written; the place and the checksum are 0
//
// Reads each chunk once, and a hundredth of it twice more: samples tell the exponents, and which width of values is the
// better one; for that one each value is looked up. Writes 16 bytes a chunk. Near the memory's bound.
#pragma once

#include "ecc/pack/kernels/book.cuh"

namespace gmemfs::kernels {

/// What the lanes of a warp add up.
struct PlanSum {
    uint64_t word[2]; // escapes; words that differ from the first one
};

template <unsigned kSize>
GPU_INLINE PlanSum plan_lane(const Quad *plain, uint32_t first_word, const uint32_t (&bins)[256], unsigned lane) {
    constexpr unsigned kAhead = 8;
    uint32_t escapes = 0, different = 0;
    GPU_NO_UNROLL
    for (unsigned row = 0; row < kRows; row += kAhead) {
        Quad quads[kAhead];
        unrolled<kAhead>([&](auto step) { quads[step] = load_once(plain + (row + step) * 32 + lane); });
        unrolled<kAhead>([&](auto step) {
            unrolled<4>([&](auto index) {
                const uint32_t word = quads[step].word[index];
                different |= word ^ first_word;
                escapes += bins[word >> 23 & 0xff];
                if constexpr (kSize == 2) escapes += bins[word >> 7 & 0xff];
            });
        });
    }
    return {{escapes, different != 0 ? 1u : 0u}};
}

/// The entry of a chunk whose values are taken to have kSize bytes; scratch.exponents is chosen.
template <unsigned kSize>
GPU_INLINE uint32_t plan_width(const Warp &warp, const Quad *plain, PackScratch &scratch) {
    fill_bins(warp, scratch, [](unsigned code) { return code == 7 ? 1u : 0u; });
    const uint32_t first_word = plain->word[0];
    const auto sum =
        warp.sum<PlanSum>([&](unsigned lane) { return plan_lane<kSize>(plain, first_word, scratch.bins, lane); });
    if (sum.word[1] == 0) return first_word == 0 ? ImageEntry::pack(Codec::zero, 0) : ImageEntry::pack(Codec::fill, 4);
    using Layout = FloatLayout<kSize>;
    const uint32_t length = Layout::kEscapes + static_cast<uint32_t>(sum.word[0]);
    return length <= kPackedMax ? ImageEntry::pack(Layout::kCodec, length) : ImageEntry::pack(Codec::raw, kChunk);
}

/// kernel pack_plan
GPU_INLINE void pack_plan(
    const Warp &warp, const uint8_t *all_plain, ImageEntry *entries, uint64_t count, PackScratch &scratch) {
    if (warp.index() >= count) return;
    const auto *const plain = reinterpret_cast<const Quad *>(all_plain + warp.index() * kChunk);
    const uint32_t fp32_escapes = choose_exponents<4>(warp, plain, scratch);
    const uint32_t bf16_escapes = choose_exponents<2>(warp, plain, scratch);
    const uint32_t bf16_length = FloatLayout<2>::kEscapes + bf16_escapes * (FloatLayout<2>::kValues / 1024);
    const uint32_t fp32_length = FloatLayout<4>::kEscapes + fp32_escapes * (FloatLayout<4>::kValues / 1024);
    uint32_t packed;
    if (bf16_length <= fp32_length) {
        packed = plan_width<2>(warp, plain, scratch);
    } else {
        choose_exponents<4>(warp, plain, scratch); // once more: the other choice has taken its place
        packed = plan_width<4>(warp, plain, scratch);
    }
    warp.once([&] { entries[warp.index()] = {0, packed, 0, 0}; });
}

} // namespace gmemfs::kernels
