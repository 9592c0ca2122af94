// CRC32C: the checksum of each chunk's packed bytes, without tables; one warp a chunk.
//
// The polynomial is Castagnoli's, reflected, as iSCSI and ext4 have it. A warp reads rows of 128 bytes, and a lane has
// the 4 of its column: the words of a column are the coefficients of a polynomial in y = x^1024. The CRC's polynomial P
// divides P(y), which is P(x)^1024. So a lane can divide its column by P(y): 17 XORs of whole words a word, because P
// has 18 terms, into 32 words of state, which are registers. Only what is left of a column, 32 words, is multiplied by
// powers of y modulo P, and then the lanes' results by the powers of x^32 between them.
//
//     main loop      282 XORs of two or three words, and 32 loads, for 4 KiB a warp
//     the end        32 multiplications by x^1024 of some 50 instructions, once a chunk
//
// The last row ends with the message, or behind it: what it has past the end counts as zeros, which are taken out by a
// negative power of x.
#pragma once

#include "ecc/pack/chunk.hpp"

namespace gmemfs::kernels {

inline constexpr uint32_t kCrcPolynomial = 0x82f63b78; ///< bit 31 - n is the coefficient of x^n; that of x^32 is 1
inline constexpr uint32_t kCrcOne = 0x80000000;        ///< x^0
inline constexpr unsigned kCrcRow = 128;               ///< bytes that a warp reads at once

GPU_CONSTANT uint32_t crc_times_x(uint32_t a) { return a >> 1 ^ (kCrcPolynomial & (0u - (a & 1))); }
GPU_CONSTANT uint32_t crc_over_x(uint32_t a) {
    // x divides a, or a + P.
    return (a & kCrcOne) != 0 ? (a ^ kCrcPolynomial) << 1 | 1 : a << 1;
}
/// x^n modulo P, n also below 0.
GPU_CONSTANT uint32_t crc_power(int n) {
    uint32_t power = kCrcOne;
    for (; n > 0; --n) power = crc_times_x(power);
    for (; n < 0; ++n) power = crc_over_x(power);
    return power;
}

/// x^(8 n) for n from kFirst: what a lane's result is multiplied by.
struct CrcPowers {
    static constexpr int kFirst = 4 - int(kCrcRow), kLast = int(kCrcRow);
    uint32_t word[kLast - kFirst + 1];
};
GPU_CONSTANT CrcPowers make_crc_powers() {
    CrcPowers powers{};
    uint32_t power = crc_power(8 * CrcPowers::kFirst);
    for (uint32_t &word : powers.word) {
        word = power;
        for (unsigned bit = 0; bit < 8; ++bit) power = crc_times_x(power);
    }
    return powers;
}
GPU_TABLE CrcPowers kCrcPowers = make_crc_powers();

GPU_INLINE uint32_t crc_multiply(uint32_t a, uint32_t b) {
    uint32_t product = 0;
    GPU_NO_UNROLL
    for (unsigned n = 0; n < 32; ++n, a <<= 1, b = crc_times_x(b)) product ^= b & (0u - (a >> 31));
    return product;
}

/// x^1024 times the polynomial with this one coefficient.
GPU_CONSTANT uint32_t crc_row_factor(unsigned bit) { return crc_power(int(kCrcRow) * 8 + 31 - int(bit)); }
GPU_INLINE uint32_t crc_times_row(uint32_t a) {
    uint32_t product = 0;
    unrolled<32>([&](auto bit) {
        constexpr uint32_t factor = crc_row_factor(bit);
        if ((a >> bit & 1) != 0) product ^= factor;
    });
    return product;
}

/// A lane's column modulo P(y). After a multiple of 32 steps word[n] is the coefficient of y^n.
struct CrcColumn {
    uint32_t word[32];
};

/// Step `kStep` of 32: state = (state * y + next) modulo P(y). Nothing moves: the word that was the highest coefficient
/// becomes the lowest, and so the state turns by one.
template <unsigned kStep>
GPU_INLINE void crc_step(CrcColumn &column, uint32_t next) {
    constexpr unsigned kTop = 31 - kStep;
    const uint32_t top = column.word[kTop];
    unrolled<31>([&](auto below) {
        constexpr unsigned power = below + 1;
        if constexpr ((kCrcPolynomial >> (31 - power) & 1) != 0) column.word[(power + kTop) % 32] ^= top;
    });
    column.word[kTop] = top ^ next;
}

enum class CrcBlock { first, later };

/// 32 rows. Of the last one's word, which may not be there, the bits of `last_mask` count. In the first block `skipped`
/// rows lie before the message and count as zeros; the row behind them is changed by `begin`.
template <CrcBlock kBlock>
GPU_INLINE void crc_block(
    CrcColumn &column, const uint32_t *words, uint32_t last_mask, uint32_t skipped, uint32_t begin) {
    constexpr unsigned kAhead = 8;
    unrolled<32 / kAhead>([&](auto part) {
        uint32_t ahead[kAhead];
        unrolled<kAhead>([&](auto index) {
            constexpr unsigned row = part * kAhead + index;
            const bool is_there = (kBlock == CrcBlock::later || row >= skipped) && (row != 31 || last_mask != 0);
            ahead[index] = is_there ? load_word_once(words + row * 32) : 0;
            if constexpr (row == 31) ahead[index] &= last_mask;
            if constexpr (kBlock == CrcBlock::first) ahead[index] ^= row == skipped ? begin : 0;
        });
        unrolled<kAhead>([&](auto index) { crc_step<part * kAhead + index>(column, ahead[index]); });
    });
}

/// What one lane has of the checksum: of `length` bytes, not none, at a multiple of 64. Lanes' parts are XORed.
GPU_INLINE uint32_t crc_lane(const uint8_t *message, uint32_t length, unsigned lane) {
    const uint32_t rows = (length + kCrcRow - 1) / kCrcRow;
    const uint32_t blocks = (rows + 31) / 32, skipped = blocks * 32 - rows;
    const uint32_t last = (rows - 1) * kCrcRow + lane * 4; // where this lane's word of the last row begins
    const uint32_t left = last < length ? length - last : 0;
    const uint32_t last_mask = left >= 4 ? ~0u : (1u << 8 * left) - 1;
    const uint32_t begin = lane == 0 ? ~0u : 0; // a CRC begins with ones
    const uint32_t *words = reinterpret_cast<const uint32_t *>(message) + lane - skipped * 32;
    CrcColumn column{};
    crc_block<CrcBlock::first>(column, words, blocks == 1 ? last_mask : ~0u, skipped, begin);
    GPU_NO_UNROLL
    for (uint32_t block = 1; block < blocks; ++block) {
        words += 32 * 32;
        crc_block<CrcBlock::later>(column, words, block + 1 == blocks ? last_mask : ~0u, 0, 0);
    }
    uint32_t sum = 0;
    GPU_NO_UNROLL
    for (unsigned round = 0; round < 8; ++round) { // four at once: all 32 would be 35 KB of code
        unrolled<4>([&](auto step) { sum = crc_times_row(sum) ^ column.word[31 - step]; });
        unrolled<28>([&](auto step) { column.word[31 - step] = column.word[27 - step]; });
    }
    // Behind this lane's last word are those of higher lanes; and a CRC has the message times x^32.
    const int behind = 4 * int(32 - lane) - int(rows * kCrcRow - length);
    return crc_multiply(sum, kCrcPowers.word[behind - CrcPowers::kFirst]);
}

GPU_INLINE uint32_t crc_of_chunk(const Warp &warp, const uint8_t *packed, uint32_t length) {
    if (length == 0) return 0;
    return ~warp.xor_sum([&](unsigned lane) { return crc_lane(packed, length, lane); });
}

/// kernel pack_checksum: writes the checksums of `count` chunks to their entries.
GPU_INLINE void pack_checksum(const Warp &warp, const uint8_t *image, ImageEntry *entries, uint64_t count) {
    if (warp.index() >= count) return;
    ImageEntry &entry = entries[warp.index()];
    const uint32_t checksum = crc_of_chunk(warp, image + entry.offset(), entry.length());
    warp.once([&] { entry.checksum = checksum; });
}

/// kernel pack_check: compares them; chunks are told by their numbers from `first`.
GPU_INLINE void pack_check(const Warp &warp, const uint8_t *image, const ImageEntry *entries, uint64_t count,
    uint64_t first, PackFindings *findings) {
    if (warp.index() >= count) return;
    const ImageEntry entry = entries[warp.index()];
    if (crc_of_chunk(warp, image + entry.offset(), entry.length()) == entry.checksum) return;
    warp.once([&] { atomic_min(&findings->checksum_wrong, first + warp.index()); });
}

} // namespace gmemfs::kernels
