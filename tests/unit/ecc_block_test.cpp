// Unit tests: where the codewords of a block lie.
#include "ecc/parity/block.hpp"
#include "vmm/base/random.hpp"

#include <gtest/gtest.h>

#include <algorithm>
#include <cstring>
#include <vector>

namespace gmemfs {
namespace {

TEST(Block, EveryBitOfARowBelongsToOneSymbol) {
    std::vector<bool> seen(std::size_t(kRowSize) * 8);
    for (unsigned codeword = 0; codeword < kCodewordsPerBlock; ++codeword)
        for (unsigned plane = 0; plane < kPlanes; ++plane) {
            const BitPlace place = bit_place(codeword, plane);
            ASSERT_LT(place.offset, kRowSize);
            ASSERT_LT(place.bit, 8U);
            ASSERT_FALSE(seen[place.offset * 8 + place.bit]);
            seen[place.offset * 8 + place.bit] = true;
            const SymbolBit back = symbol_bit(place.offset, place.bit);
            ASSERT_EQ(back.codeword, codeword);
            ASSERT_EQ(back.plane, plane);
        }
}

// What the picture in block.hpp says, in words as a kernel reads them.
TEST(Block, BitsOfALanesWordAreThirtyTwoCodewords) {
    std::uint32_t words[kRowSize / 4];
    std::memset(words, 0, sizeof words);
    words[5 * 4 + 2] = 1U << 19;                // lane 5's first access of 16 bytes: planes 0 to 3
    words[kRowSize / 8 + 5 * 4 + 3] = 1U << 19; // its second: planes 4 to 7
    std::vector<std::byte> data(kRowSize), parity(kBlockParitySize);
    std::memcpy(data.data(), words, sizeof words);
    for (unsigned index = 0; index < kCodewordsPerBlock; ++index) {
        std::array<Symbol, 1> symbol{};
        std::array<Symbol, kParitySymbols> parity_symbols{};
        gather(data, parity, index, {symbol, parity_symbols});
        EXPECT_EQ(symbol[0], index == 5 * 32 + 19 ? 1U << 2 | 1U << 7 : 0U) << index;
    }
}

TEST(Block, ScatterPutsBackWhatGatherTook) {
    Random random(1);
    std::vector<std::byte> data(kBlockSize), parity(kBlockParitySize), data_copy(kBlockSize),
        parity_copy(kBlockParitySize);
    for (std::byte &byte : data) byte = std::byte(random.next());
    for (std::byte &byte : parity) byte = std::byte(random.next());
    std::array<Symbol, kDataRows> symbols{};
    std::array<Symbol, kParitySymbols> parity_symbols{};
    for (unsigned index = 0; index < kCodewordsPerBlock; ++index) {
        gather(data, parity, index, {symbols, parity_symbols});
        scatter({symbols, parity_symbols}, index, data_copy, parity_copy);
    }
    EXPECT_EQ(data, data_copy);
    EXPECT_EQ(parity, parity_copy);
}

// The most symbols of one codeword that any burst of `size` bytes touches. The layout repeats every row, so bursts that
// begin in the first row are all there are.
unsigned most_symbols_touched(unsigned size) {
    unsigned most = 0;
    std::vector<int> last_row(kCodewordsPerBlock);
    std::vector<unsigned> touched(kCodewordsPerBlock);
    for (unsigned start = 0; start < kRowSize; ++start) {
        std::ranges::fill(last_row, -1);
        std::ranges::fill(touched, 0U);
        for (unsigned byte = start; byte < start + size; ++byte) {
            // The 8 codewords of a byte share its fate: looking at bit 0 is enough.
            const unsigned codeword = symbol_bit(byte % kRowSize, 0).codeword;
            const int row = static_cast<int>(byte / kRowSize);
            if (std::exchange(last_row[codeword], row) != row) most = std::max(most, ++touched[codeword]);
        }
    }
    return most;
}

TEST(Block, BurstTouchesEachCodewordOnce) {
    EXPECT_EQ(most_symbols_touched(1), 1U);
    EXPECT_EQ(most_symbols_touched(32), 1U); // one burst of the memory bus
    EXPECT_EQ(most_symbols_touched(500), 1U);
    EXPECT_EQ(most_symbols_touched(501), 2U);
    EXPECT_EQ(most_symbols_touched(3572), 4U); // still mended
    EXPECT_EQ(most_symbols_touched(3573), 5U);
}

} // namespace
} // namespace gmemfs
