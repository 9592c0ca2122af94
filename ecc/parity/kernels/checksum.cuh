// Checksum: 128 bits over the data of one block, made in the pass that divides, so that it costs no further read.
//
// Two halves of 64 bits, each a sum modulo 2^64 over all words of the block, with a factor for each place:
//
//     half[n] = sum of  word * factor(n, place)        n = 0, 1
//     factor(n, place) = key(n, row % 4, plane) * multiplier(n)^(31 - row / 4) * lane_factor(n, lane)
//
// key has 32 bits, so a word costs one multiply-add with a 64-bit sum, on a unit that the XORs leave idle; by Horner's
// rule the powers cost one multiplication every 4 rows. The factors are fixed numbers without a pattern (SplitMix64): a
// change of the data that knows nothing of them goes unnoticed by one half with a probability of about 2^-33 (a change
// that is confined to bit 31 of its words, the worst) to 2^-64, and by both of about 2^-66.
//
// The sum is linear in each bit: a repair knows the checksum of the block that it would leave behind before it writes,
// from the checksum as found and the bits that it would turn. Zeros have the checksum zero, as they have the parity
// zero. The checksum guards against accidents, not against people.
#pragma once

#include "ecc/parity/kernels/gmul.cuh"

namespace gmemfs {

/// As it is stored, 16 bytes a block, in a table apart from the parity.
struct Checksum {
    uint64_t half[2];
};

namespace kernels {

inline constexpr unsigned kRowsPerFactor = 4; ///< rows between two multiplications by Horner's rule

/// SplitMix64's output function (Steele et al. 2014).
GPU_CONSTANT uint64_t scramble(uint64_t z) {
    z = (z + 1) * 0x9e3779b97f4a7c15u;
    z = (z ^ (z >> 30)) * 0xbf58476d1ce4e5b9u;
    z = (z ^ (z >> 27)) * 0x94d049bb133111ebu;
    return z ^ (z >> 31);
}
GPU_CONSTANT uint32_t checksum_key(unsigned half, unsigned row, unsigned plane) {
    return static_cast<uint32_t>(scramble((half * kRowsPerFactor + row) * 8 + plane) >> 32);
}
GPU_CONSTANT uint64_t checksum_multiplier(unsigned half) { return scramble(1000 + half) | 1; }
GPU_CONSTANT uint64_t checksum_lane_factor(unsigned half, unsigned lane) {
    return scramble(2000 + half * 32 + lane) | 1;
}

/// Adds row `kRow` of 4 to a lane's sums.
template <unsigned kRow>
GPU_INLINE void add_row(Checksum &sum, const Planes &row) {
    unrolled<2>([&](auto half) {
        constexpr uint64_t multiplier = checksum_multiplier(half);
        if constexpr (kRow == 0) sum.half[half] *= multiplier;
    });
    unrolled<16>([&](auto index) {
        constexpr unsigned half = index / 8, plane = index % 8;
        constexpr uint32_t key = checksum_key(half, kRow, plane);
        sum.half[half] += uint64_t(row.word[plane]) * key;
    });
}

/// By how much the checksum changes when `bits` of the word at a place are turned; `before` is the word as it is.
template <unsigned kRows>
GPU_INLINE void add_turned_bits(
    Checksum &sum, unsigned row, unsigned plane, unsigned lane, uint32_t before, uint32_t bits) {
    const uint64_t change = uint64_t(before ^ bits) - before;
    for (unsigned half = 0; half < 2; ++half) {
        uint64_t factor = checksum_key(half, row % kRowsPerFactor, plane) * checksum_lane_factor(half, lane);
        for (unsigned later = row / kRowsPerFactor + 1; later < kRows / kRowsPerFactor; ++later)
            factor *= checksum_multiplier(half);
        sum.half[half] += change * factor;
    }
}

} // namespace kernels
} // namespace gmemfs
