// SelfTestDamage: which symbols a self-test makes wrong, and what verifying and repairing must report of them.
#pragma once

#include "ecc/parity/parity.hpp"
#include "vmm/base/random.hpp"

#include <cstddef>
#include <map>
#include <span>
#include <vector>

namespace gmemfs {

/// One symbol of the data, made wrong by turning `bits` of it.
struct WrongSymbol {
    unsigned codeword; ///< 0 to 1023
    unsigned symbol;   ///< 0 to 127, its row
    Symbol bits;       ///< not 0
};

/// What is made wrong in one block.
struct BlockDamage {
    bool beyond_repair = false; ///< more wrong symbols in one codeword than the code can mend
    unsigned codewords = 0;     ///< so many hold the symbols
    std::vector<WrongSymbol> symbols;

    /// Turns the bits in the 128 KiB of the block's data; twice, and they are as before.
    void turn(std::span<std::byte> block) const;
};

/// Damage all over an extent, of so few symbols that a repair tells of each one (kFaultsMax). A value.
class DamagePlan {
public:
    /// `block_count` is 16 at least, as in the smallest extent. In one block of four, 48 at the most, 1 to 4 codewords
    /// with 1 to 4 wrong symbols; in one of sixteen, 8 at the most, one more codeword with 5 to 8.
    static DamagePlan make(std::uint64_t block_count, Random random);

    const std::map<std::uint64_t, BlockDamage> &blocks() const { return blocks_; } ///< by number
    std::uint64_t count_beyond_repair() const;                                     ///< blocks
    std::uint64_t count_codewords() const;
    std::uint64_t count_symbols() const;

    // EIO, with a detail that says what is otherwise than it must be:
    Result<void> check_verified(const BlockReport &report) const; ///< with all damage there
    Result<void> check_repaired(const BlockReport &report) const; ///< by the repair of it
    Result<void> check_verified_after(const BlockReport &report) const;

private:
    std::vector<std::uint64_t> beyond_repair() const;

    std::map<std::uint64_t, BlockDamage> blocks_;
};

} // namespace gmemfs
