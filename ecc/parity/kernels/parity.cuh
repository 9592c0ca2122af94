// Parity: encode blocks, and compare them with their parity; one warp a block.
//
//     data         data[block][row][1024]      kRows rows: 128 for RS(136,128), 120 for RS(128,120)
//     parity       parity[block][row][1024]    8 rows
//     checksums    checksums[block]            16 bytes
//
// ecc/parity/block.hpp says which bit is whose. A lane loads 32 bytes of each row and carries the remainder of the
// division by g for its 32 codewords: 64 words. Eight rows are in flight ahead of the division, which hides the
// memory's latency with 12 warps on a multiprocessor, and for a single warp nearly so. No tables, no shared memory.
//
// Reads and writes once: encode 128 KiB + 8 KiB + 16 bytes a block, verify reads as much. Bound by memory where the
// multiprocessors do one division step (84 XORs, 16 multiply-adds) per KiB and warp in less time than it takes to load.
#pragma once

#include "ecc/parity/findings.hpp"
#include "ecc/parity/kernels/checksum.cuh"

namespace gmemfs::kernels {

inline constexpr unsigned kRowsAhead = 8; ///< rows in flight, a multiple of kRowsPerFactor

/// One block on the device.
template <unsigned kRows>
struct BlockMemory {
    GPU_INLINE BlockMemory(uint8_t *all_data, uint8_t *all_parity, Checksum *all_checksums, uint64_t block)
        : data(reinterpret_cast<Quad *>(all_data + block * kRows * kRowSize)),
          parity(reinterpret_cast<Quad *>(all_parity + block * kBlockParitySize)), checksum(all_checksums + block) {}

    Quad *data;   // data[row][half][lane]
    Quad *parity; // parity[row][half][lane]
    Checksum *checksum;
};

inline constexpr size_t kQuadsPerRow = kRowSize / sizeof(Quad);

enum class Load { once, cached };

/// The planes of one lane in row `row`; `column` is the lane's first Quad in row 0.
template <Load kLoad = Load::once>
GPU_INLINE Planes load_planes(const Quad *column, unsigned row) {
    constexpr auto load = kLoad == Load::once ? load_once : load_cached;
    const Quad low = load(column + row * kQuadsPerRow);
    const Quad high = load(column + row * kQuadsPerRow + kQuadsPerRow / 2);
    return {
        {low.word[0], low.word[1], low.word[2], low.word[3], high.word[0], high.word[1], high.word[2], high.word[3]}};
}
GPU_INLINE void store_planes(Quad *column, unsigned row, const Planes &planes) {
    const uint32_t(&word)[8] = planes.word;
    store_once(column + row * kQuadsPerRow, {{word[0], word[1], word[2], word[3]}});
    store_once(column + row * kQuadsPerRow + kQuadsPerRow / 2, {{word[4], word[5], word[6], word[7]}});
}

/// What one lane makes of the data: its codewords' parity, and its part of the checksum.
struct LaneCode {
    Planes parity[8];
    Checksum checksum;
};

template <unsigned kRows, Load kLoad = Load::once>
GPU_INLINE LaneCode encode_lane(const Quad *data, unsigned lane) {
    static_assert(kRows % kRowsAhead == 0 && kRowsAhead % kRowsPerFactor == 0);
    LaneCode code{};
    const Quad *column = data + lane;
    Planes ahead[kRowsAhead];
    unrolled<kRowsAhead>([&](auto step) { ahead[step] = load_planes<kLoad>(column, step); });
    GPU_NO_UNROLL
    for (unsigned row = 0; row < kRows - kRowsAhead; row += kRowsAhead, column += kRowsAhead * kQuadsPerRow)
        unrolled<kRowsAhead>([&](auto step) {
            add_row<step % kRowsPerFactor>(code.checksum, ahead[step]);
            divide_step(code.parity, ahead[step]);
            ahead[step] = load_planes<kLoad>(column, step + kRowsAhead);
        });
    unrolled<kRowsAhead>([&](auto step) { // the last rows: nothing follows them
        add_row<step % kRowsPerFactor>(code.checksum, ahead[step]);
        divide_step(code.parity, ahead[step]);
    });
    code.checksum.half[0] *= checksum_lane_factor(0, lane);
    code.checksum.half[1] *= checksum_lane_factor(1, lane);
    return code;
}

/// What the lanes of a warp add up.
struct BlockSum {
    uint64_t word[3]; // the checksum's halves, wrong codewords
    GPU_INLINE Checksum checksum() const { return {{word[0], word[1]}}; }
    GPU_INLINE uint64_t wrong_codewords() const { return word[2]; }
};

GPU_INLINE bool equal(const Checksum &one, const Checksum &other) {
    return one.half[0] == other.half[0] && one.half[1] == other.half[1];
}

/// kernel parity_encode: one warp a block.
template <unsigned kRows>
GPU_INLINE void parity_encode(
    const Warp &warp, uint8_t *data, uint8_t *parity, Checksum *checksums, uint64_t block_count) {
    if (warp.index() >= block_count) return;
    const BlockMemory<kRows> block(data, parity, checksums, warp.index());
    const auto sum = warp.sum<BlockSum>([&](unsigned lane) -> BlockSum {
        const LaneCode code = encode_lane<kRows, Load::cached>(block.data, lane);
        unrolled<8>([&](auto row) { store_planes(block.parity + lane, row, code.parity[row]); });
        return {{code.checksum.half[0], code.checksum.half[1], 0}};
    });
    warp.once([&] { *block.checksum = sum.checksum(); });
}

/// kernel parity_verify: as parity_encode; marks the blocks that differ, and writes nothing else.
template <unsigned kRows>
GPU_INLINE void parity_verify(
    const Warp &warp, uint8_t *data, uint8_t *parity, Checksum *checksums, uint64_t block_count, Findings *findings) {
    if (warp.index() >= block_count) return;
    const BlockMemory<kRows> block(data, parity, checksums, warp.index());
    const auto sum = warp.sum<BlockSum>([&](unsigned lane) -> BlockSum {
        const LaneCode code = encode_lane<kRows>(block.data, lane);
        uint32_t wrong = 0;
        unrolled<8>([&](auto row) {
            const Planes stored = load_planes(block.parity + lane, row);
            unrolled<8>([&](auto plane) { wrong |= code.parity[row].word[plane] ^ stored.word[plane]; });
        });
        return {{code.checksum.half[0], code.checksum.half[1], count_bits(wrong)}};
    });
    if (sum.wrong_codewords() == 0 && equal(sum.checksum(), *block.checksum)) return;
    warp.once([&] {
        atomic_or(&findings->wrong_blocks[warp.index() / 32], 1u << warp.index() % 32);
        atomic_add(&findings->blocks_wrong, 1);
        atomic_add(&findings->codewords_wrong, sum.wrong_codewords());
    });
}

} // namespace gmemfs::kernels
