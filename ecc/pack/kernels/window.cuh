// Window: gathers what nvCOMP has packed, and compares what it has decoded, by eight warps a chunk.
//
// What it has packed goes from a window to its place in the image; what it decodes into the window is compared with the
// plain bytes.
//
//     window     chunk n at n * stride, a multiple of 16: its packed bytes, or later 128 KiB
//
// nvCOMP packs some 2048 chunks at a time. One warp a chunk would leave most of a large GPU idle.
#pragma once

#include "ecc/pack/chunk.hpp"

namespace gmemfs::kernels {

inline constexpr uint32_t kWindowWarps = 8; ///< a chunk

/// Of `all` in 16 bytes, those of this warp.
struct WindowShare {
    uint64_t chunk;
    uint32_t begin, end;

    GPU_INLINE WindowShare(const Warp &warp, uint32_t all) : chunk(warp.index() / kWindowWarps) {
        const uint32_t part = uint32_t(warp.index() % kWindowWarps);
        begin = all / kWindowWarps * part;
        end = part + 1 == kWindowWarps ? all : begin + all / kWindowWarps;
    }
    /// Calls each(number) for all of them, by lane.
    template <typename Load, typename Use>
    GPU_INLINE void each(unsigned lane, const Load &load, const Use &use) const {
        constexpr uint32_t kAhead = 4, kStep = 32 * kAhead;
        uint32_t at = begin + lane;
        GPU_NO_UNROLL
        for (; at + kStep - 32 < end; at += kStep) {
            Quad quads[kAhead];
            unrolled<kAhead>([&](auto step) { quads[step] = load(at + step * 32); });
            unrolled<kAhead>([&](auto step) { use(at + step * 32, quads[step]); });
        }
        GPU_NO_UNROLL
        for (; at < end; at += 32) use(at, load(at));
    }
};

/// kernel pack_gather: of chunks that are nvCOMP's. Reads and writes what the entries say; the gaps behind it are
/// pack_encode's.
GPU_INLINE void pack_gather(const Warp &warp, const uint8_t *window, uint64_t stride, uint8_t *image,
    const ImageEntry *entries, uint64_t count) {
    if (warp.index() / kWindowWarps >= count) return;
    const ImageEntry entry = entries[warp.index() / kWindowWarps];
    if (!is_foreign(entry.codec())) return;
    const uint32_t quads = entry.length() / uint32_t(sizeof(Quad));
    const WindowShare share(warp, quads);
    const uint8_t *const from = window + share.chunk * stride;
    uint8_t *const to = image + entry.offset();
    warp.each_lane([&](unsigned lane) {
        share.each(
            lane, [=](uint32_t at) { return load_once(reinterpret_cast<const Quad *>(from) + at); },
            [=](uint32_t at, const Quad &quad) { store_once(reinterpret_cast<Quad *>(to) + at, quad); });
        if (share.end != quads) return;
        for (uint32_t at = quads * uint32_t(sizeof(Quad)) + lane; at < entry.length(); at += 32) to[at] = from[at];
    });
}

/// kernel pack_compare_window: chunks of nvCOMP's, told by their numbers from `first`; writes no plain byte.
GPU_INLINE void pack_compare_window(const Warp &warp, const uint8_t *all_plain, const uint8_t *window, uint64_t stride,
    const ImageEntry *entries, uint64_t count, uint64_t first, PackFindings *findings) {
    if (warp.index() / kWindowWarps >= count) return;
    if (!is_foreign(entries[warp.index() / kWindowWarps].codec())) return;
    const WindowShare share(warp, kChunk / uint32_t(sizeof(Quad)));
    const auto *const plain = reinterpret_cast<const Quad *>(all_plain + share.chunk * kChunk);
    const auto *const decoded = reinterpret_cast<const Quad *>(window + share.chunk * stride);
    const uint32_t any = warp.largest([&](unsigned lane) {
        uint32_t different = 0;
        share.each(
            lane, [=](uint32_t at) { return load_once(decoded + at); },
            [&](uint32_t at, const Quad &quad) {
                const Quad there = plain[at];
                unrolled<4>([&](auto word) { different |= there.word[word] ^ quad.word[word]; });
            });
        return different;
    });
    if (any != 0) warp.once([&] { atomic_min(&findings->different, first + share.chunk); });
}

} // namespace gmemfs::kernels
