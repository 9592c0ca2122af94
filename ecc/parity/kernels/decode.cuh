// Decode: finds the wrong symbols of one codeword.
//
// Wrong codewords are rare, so this is written to be read: symbols are bytes here, one lane a codeword, without tables.
// The algorithm is another one than the reference's (ecc/parity/code.cpp), on purpose: tests compare the two.
#pragma once

#include "ecc/lane.hpp"
#include "ecc/parity/gf256.hpp"

namespace gmemfs::kernels {

GPU_INLINE uint32_t field_times_a(uint32_t x) { return (x << 1) ^ ((x >> 7) * gf256::kPolynomial); }

GPU_INLINE uint32_t field_multiply(uint32_t x, uint32_t y) {
    uint32_t product = 0;
    GPU_UNROLL
    for (unsigned bit = 0; bit < 8; ++bit) product ^= (x << bit) & (0u - (y >> bit & 1));
    // x^8 = x^4 + x^3 + x^2 + 1: what is at x^8 and above comes back below, twice.
    for (unsigned round = 0; round < 2; ++round) {
        const uint32_t high = product >> 8;
        product = (product & 0xff) ^ high ^ high << 2 ^ high << 3 ^ high << 4;
    }
    return product;
}

/// x^254, the inverse; of 0 it is 0.
GPU_INLINE uint32_t field_inverse(uint32_t x) {
    uint32_t result = 1;
    GPU_NO_UNROLL
    for (unsigned round = 0; round < 7; ++round) { // the squares x^2, x^4, ..., x^128 multiplied together
        x = field_multiply(x, x);
        result = field_multiply(result, x);
    }
    return result;
}

/// What has to be added to which of up to four symbols of a codeword, a byte each.
struct Mends {
    uint32_t powers = 0; // the symbol is the coefficient of x^power
    uint32_t values = 0; // 0 where there are fewer than four

    GPU_INLINE unsigned power(unsigned index) const { return powers >> 8 * index & 0xff; }
    GPU_INLINE unsigned value(unsigned index) const { return values >> 8 * index & 0xff; }
};

/// The syndromes of a remainder are those of its word, because g is zero at a^1 .. a^8.
GPU_INLINE void find_syndromes(const uint8_t *remainder, uint32_t (&syndrome)[8]) {
    uint32_t root = 1;
    GPU_NO_UNROLL
    for (unsigned i = 0; i < 8; ++i) {
        root = field_times_a(root);
        uint32_t sum = 0;
        for (unsigned row = 0; row < 8; ++row) sum = field_multiply(sum, root) ^ remainder[row];
        syndrome[i] = sum;
    }
}

/// Where errors lie, and how large they are, both times the same unknown constant; lowest power first.
struct Locator {
    uint32_t evaluator[4];
    uint32_t lambda[5]; // the product of (1 - X x) over the locations X
};

/// The reformulated inversionless Berlekamp-Massey algorithm (Sarwate and Shanbhag, "High-speed architectures for
/// Reed-Solomon decoders", 2001, section III-B) for t = 4: 8 rounds over 13 coefficients, the same steps for every
/// word.
GPU_INLINE Locator find_locator(const uint32_t (&syndrome)[8]) {
    uint32_t delta[14] = {}, theta[13] = {};
    for (unsigned i = 0; i < 8; ++i) delta[i] = theta[i] = syndrome[i];
    delta[12] = theta[12] = 1;
    uint32_t gamma = 1;
    int lead = 0;
    GPU_NO_UNROLL
    for (unsigned round = 0; round < 8; ++round) {
        const uint32_t discrepancy = delta[0];
        const bool longer = discrepancy != 0 && lead >= 0;
        for (unsigned i = 0; i < 13; ++i) {
            const uint32_t next = delta[i + 1];
            delta[i] = field_multiply(gamma, next) ^ field_multiply(discrepancy, theta[i]);
            if (longer) theta[i] = next;
        }
        if (longer) gamma = discrepancy;
        lead = longer ? -lead - 1 : lead + 1;
    }
    return {{delta[0], delta[1], delta[2], delta[3]}, {delta[4], delta[5], delta[6], delta[7], delta[8]}};
}

/// Forney's formula, omega(1/X) / lambda'(1/X), with this evaluator in the place of omega. syndromes * lambda is
/// omega + x^8 evaluator, and at a root of lambda that is 0: so omega(1/X) = X^-8 evaluator(1/X).
GPU_INLINE uint32_t error_value(const Locator &locator, uint32_t location) {
    const uint32_t inverse = field_inverse(location);
    uint32_t evaluator = 0;
    for (unsigned i = 4; i-- > 0;) evaluator = field_multiply(evaluator, inverse) ^ locator.evaluator[i];
    const uint32_t square = field_multiply(inverse, inverse);
    const uint32_t derivative = locator.lambda[1] ^ field_multiply(square, locator.lambda[3]);
    uint32_t scale = field_multiply(square, square);
    scale = field_multiply(scale, scale);
    return field_multiply(field_multiply(scale, evaluator), field_inverse(derivative));
}

/// Whether errors of these values at these places have these syndromes, which are used up.
GPU_INLINE bool explains(const Mends &mends, uint32_t (&syndrome)[8]) {
    GPU_NO_UNROLL
    for (unsigned index = 0; index < 4; ++index) {
        uint32_t location = 1;
        GPU_NO_UNROLL
        for (unsigned power = 0; power < mends.power(index); ++power) location = field_times_a(location);
        uint32_t value = mends.value(index);
        for (unsigned i = 0; i < 8; ++i) {
            value = field_multiply(value, location);
            syndrome[i] ^= value;
        }
    }
    uint32_t left = 0;
    for (unsigned i = 0; i < 8; ++i) left |= syndrome[i];
    return left == 0;
}

/// Finds the up to 4 wrong symbols of a codeword of `length` symbols. remainder[i] is the coefficient of x^(7-i) of the
/// received word modulo g, and not all are zero. False: there is no codeword within 4 symbols.
GPU_RARE bool find_mends(const uint8_t *remainder, unsigned length, Mends &mends) {
    uint32_t syndrome[8];
    find_syndromes(remainder, syndrome);
    const Locator locator = find_locator(syndrome);
    // Chien's search for the powers where lambda(a^-power) = 0, with lambda reversed so that each step multiplies by
    // small powers of a: reversed(x) = x^4 lambda(1/x).
    uint32_t term[5];
    for (unsigned i = 0; i < 5; ++i) term[i] = locator.lambda[4 - i];
    unsigned found = 0;
    uint32_t location = 1; // a^power
    mends = {};
    GPU_NO_UNROLL
    for (unsigned power = 0; power < length; ++power) {
        if ((term[0] ^ term[1] ^ term[2] ^ term[3] ^ term[4]) == 0) {
            if (found == 4) return false; // lambda is zero everywhere
            mends.powers |= power << 8 * found;
            mends.values |= error_value(locator, location) << 8 * found;
            ++found;
        }
        location = field_times_a(location);
        for (unsigned i = 1; i < 5; ++i)
            for (unsigned times = 0; times < i; ++times) term[i] = field_times_a(term[i]);
    }
    return explains(mends, syndrome); // the proof, so that nothing above can go wrong unnoticed
}

} // namespace gmemfs::kernels
