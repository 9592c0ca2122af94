// Block: 128 KiB of an extent, the unit of parity, and where in it each codeword lies.
//
//     data     row 0     1 KiB     symbol 0 of each of the 1,024 codewords
//              ...
//              row 127
//     parity   row 0     symbol 128; 8 rows of 1 KiB, elsewhere: 8 KiB a block
//              ...
//
// Row r holds symbol r of every codeword, as 8 planes of 1,024 bits. Plane k holds bit k of each symbol. The planes are
// interleaved so that one lane of a warp loads its part of a row by two accesses of 16 bytes, and a warp both halves of
// the row without a gap:
//
//     byte      0                  16                 32             496                512 ...            1008
//               | lane 0: planes   | lane 1: planes   |              | lane 31: planes  | lane 0: planes
//               | 0, 1, 2, 3       | 0, 1, 2, 3       |     ...      | 0, 1, 2, 3       | 4, 5, 6, 7       ...
//
// Each plane of a lane is one little-endian word of 32 bits, and bit j of it belongs to codeword 32 * lane + j. So byte
// `offset` of a row, bit `bit` of that byte is
//
//     bit      4 * (offset / 512) + offset % 16 / 4
//     of codeword      32 * (offset % 512 / 16) + 8 * (offset % 4) + bit
//
// Nothing is transposed: the words that were loaded are the planes. And since the symbols of one codeword are a row
// apart, a burst of wrong bytes up to 500 long, at any offset, touches each codeword in one symbol at the most, and one
// of up to 3,572 bytes in 4, which is what the code mends (shown in tests/unit/ecc_block_test.cpp).
#pragma once

#include "ecc/parity/code.hpp"

#include <cstddef>
#include <cstdint>
#include <span>

namespace gmemfs {

inline constexpr unsigned kRowSize = 1024; ///< bytes
inline constexpr unsigned kDataRows = 128; ///< RS(136,128); RS(128,120) has 120
inline constexpr unsigned kParityRows = kParitySymbols;
inline constexpr unsigned kLanes = 32; ///< of a warp: one warp works on one block
inline constexpr unsigned kPlanes = 8; ///< bits of a symbol
inline constexpr unsigned kCodewordsPerLane = 32;
inline constexpr unsigned kCodewordsPerBlock = kLanes * kCodewordsPerLane;
inline constexpr std::uint64_t kBlockSize = std::uint64_t(kDataRows) * kRowSize;         ///< 128 KiB
inline constexpr std::uint64_t kBlockParitySize = std::uint64_t(kParityRows) * kRowSize; ///< 8 KiB
static_assert(kCodewordsPerBlock * kPlanes == kRowSize * 8);
static_assert(kBlockSize == 16 * kBlockParitySize); // 6.25 %

/// Where one bit of a symbol lies in its row.
struct BitPlace {
    unsigned offset; ///< of the byte, 0 to 1023
    unsigned bit;    ///< in the byte, 0 to 7
};
constexpr BitPlace bit_place(unsigned codeword, unsigned plane) {
    const unsigned lane = codeword / kCodewordsPerLane;
    const unsigned within = codeword % kCodewordsPerLane;
    return {plane / 4 * (kRowSize / 2) + lane * 16 + plane % 4 * 4 + within / 8, within % 8};
}
/// The reverse: which codeword, and which plane of its symbol, a bit of a row is.
struct SymbolBit {
    unsigned codeword, plane;
};
constexpr SymbolBit symbol_bit(unsigned offset, unsigned bit) {
    return {offset % 512 / 16 * kCodewordsPerLane + offset % 4 * 8 + bit, offset / 512 * 4 + offset % 16 / 4};
}

/// Copies codeword `index` out of a block (for the reference: byte by byte). `to.data` has one symbol for each row of
/// `data`, and both hold whole rows.
void gather(std::span<const std::byte> data, std::span<const std::byte> parity, unsigned index, Codeword to);
/// Copies a codeword back to where gather() found it.
void scatter(Codeword from, unsigned index, std::span<std::byte> data, std::span<std::byte> parity);

} // namespace gmemfs
