// Batch move: copies pieces of memory on the device, a warp a piece: streams that lie apart are laid together.
//
//     pieces[index] = {from, to, size}     offsets from two bases, and bytes; no two targets overlap
//
// Reads and writes each byte once, 16 at a time where both places are at a multiple of 16, else byte by byte.
#pragma once

#include "ecc/lane.hpp"

namespace gmemfs {

struct MovePiece {
    uint64_t from, to, size;
};

namespace kernels {

GPU_INLINE void batch_move(
    const Warp &warp, const uint8_t *from, uint8_t *to, const MovePiece *pieces, uint64_t count) {
    for (uint64_t index = warp.index(); index < count; index += warp.count()) {
        const MovePiece piece = pieces[index];
        const uint8_t *const source = from + piece.from;
        uint8_t *const target = to + piece.to;
        const bool is_aligned = (reinterpret_cast<uintptr_t>(source) | reinterpret_cast<uintptr_t>(target)) % 16 == 0;
        const uint64_t quads = is_aligned ? piece.size / 16 : 0;
        warp.each_lane([&](unsigned lane) {
            for (uint64_t quad = lane; quad < quads; quad += 32)
                store_once(
                    reinterpret_cast<Quad *>(target) + quad, load_once(reinterpret_cast<const Quad *>(source) + quad));
            for (uint64_t byte = quads * 16 + lane; byte < piece.size; byte += 32) target[byte] = source[byte];
        });
    }
}

} // namespace kernels
} // namespace gmemfs
