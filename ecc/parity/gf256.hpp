// Field: arithmetic in GF(256), whose elements are bytes: polynomials over GF(2) modulo x^8+x^4+x^3+x^2+1.
//
// `a`, the byte 2, generates every element but zero. Addition is XOR, and every element is its own negative. Everything
// here is constexpr, because the kernels' XOR networks are derived from the field while the compiler runs. The host
// reference computes with the same functions.
#pragma once

#include <array>
#include <cstddef>
#include <cstdint>

namespace gmemfs {

using Symbol = std::uint8_t;

namespace gf256 {

inline constexpr unsigned kPolynomial = 0x11d;
inline constexpr std::size_t kOrder = 255; ///< of `a`: a^255 = 1

/// The product of `x` and the field's generator.
constexpr Symbol times_a(Symbol x) {
    const unsigned doubled = unsigned(x) << 1;
    return static_cast<Symbol>(doubled & 0x100 ? doubled ^ kPolynomial : doubled);
}

/// powers.exp[n] is a^n for n from 0 to 509, so that the sum of two logarithms needs no reduction; log[0] is not used.
struct Powers {
    std::array<Symbol, 2 * kOrder> exp{};
    std::array<std::uint8_t, 256> log{};
};

constexpr Powers make_powers() {
    Powers powers;
    Symbol power = 1;
    for (std::size_t n = 0; n < kOrder; ++n) {
        powers.exp[n] = powers.exp[n + kOrder] = power;
        powers.log[power] = static_cast<std::uint8_t>(n);
        power = times_a(power);
    }
    return powers;
}

inline constexpr Powers kPowers = make_powers();

constexpr Symbol multiply(Symbol x, Symbol y) {
    return x == 0 || y == 0 ? Symbol(0) : kPowers.exp[unsigned(kPowers.log[x]) + kPowers.log[y]];
}
/// a^exponent, for any exponent from 0.
constexpr Symbol power_of_a(unsigned exponent) { return kPowers.exp[exponent % kOrder]; }
/// `y` is not 0.
constexpr Symbol divide(Symbol x, Symbol y) {
    return x == 0 ? Symbol(0) : kPowers.exp[unsigned(kPowers.log[x]) + kOrder - kPowers.log[y]];
}

} // namespace gf256
} // namespace gmemfs
