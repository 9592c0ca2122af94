// Code: Reed-Solomon over GF(256) with eight parity symbols, which mend up to 4 wrong symbols of a codeword.
//
// The plain, byte-wise host form: the reference that the kernels are tested against, and nothing that is fast.
// The generator is g(x) = (x - a^1)(x - a^2) ... (x - a^8). A codeword of n symbols is a polynomial divisible by g,
// highest power first: data[0] is the coefficient of x^(n-1), parity[7] that of x^0. RS(136,128) and RS(128,120) are
// the same code, shortened to 128 and to 120 data symbols.
#pragma once

#include "ecc/parity/gf256.hpp"
#include "vmm/base/result.hpp"

#include <array>
#include <cstddef>
#include <span>

namespace gmemfs {

inline constexpr std::size_t kParitySymbols = 8;
inline constexpr std::size_t kCorrectableSymbols = kParitySymbols / 2;
inline constexpr std::size_t kDataSymbolsMax = gf256::kOrder - kParitySymbols; ///< 247

/// generator[i] is the coefficient of x^i in g(x), i from 0 to 7; that of x^8 is 1.
constexpr std::array<Symbol, kParitySymbols> make_generator() {
    std::array<Symbol, kParitySymbols + 1> product{1};
    for (unsigned degree = 0; degree < kParitySymbols; ++degree) { // times (x - a^(degree+1))
        const Symbol root = gf256::power_of_a(degree + 1);
        for (unsigned i = degree + 1; i > 0; --i)
            product[i] = static_cast<Symbol>(product[i - 1] ^ gf256::multiply(product[i], root));
        product[0] = gf256::multiply(product[0], root);
    }
    std::array<Symbol, kParitySymbols> generator{};
    for (unsigned i = 0; i < kParitySymbols; ++i) generator[i] = product[i];
    return generator;
}
inline constexpr std::array<Symbol, kParitySymbols> kGenerator = make_generator();

/// One codeword in memory that the caller owns: 1 to 247 data symbols, and their parity. A view.
struct Codeword {
    std::span<Symbol> data;
    std::span<Symbol, kParitySymbols> parity;
};

/// Overwrites the parity with what belongs to the data.
void encode(Codeword codeword);

/// syndromes[i] is the codeword's polynomial at a^(i+1). All are zero exactly where it is a codeword.
using Syndromes = std::array<Symbol, kParitySymbols>;
Syndromes syndromes(Codeword codeword);

/// The number of symbols put right, 0 to 4. EBADMSG: more were wrong than the code can mend; nothing was changed.
/// Of random patterns of more than 4 errors, about 3 in 1,000 lie near another codeword, and become that one. A caller
/// that must know the difference compares a checksum (docs/decisions/010-checksum-beside-parity.md).
Result<std::size_t> correct(Codeword codeword);

} // namespace gmemfs
