// Gmul: multiplication by the generator's coefficients on bit planes, as an XOR network that the compiler works out.
//
// A lane holds 32 symbols as 8 planes: word k holds bit k of each. To multiply all 32 by a constant c, each plane of
// the product is the XOR of some of the planes: plane m counts for plane k of the product where c * 2^m has bit k. A
// step of the division multiplies the same 8 planes by the 8 coefficients of g: 64 such sums, each of which is added to
// a plane of the remainder.
//
// A three-input XOR is one instruction (LOP3). So a sum is free of extra work when it is one of a few shared terms, or
// the XOR of two of them: remainder ^ term ^ term. Which terms make that so for all 64? make_network() picks them
// greedily: 8 planes and 12 more terms, each again the XOR of three earlier ones. A step costs
//
//     8 (add the row) + 12 (terms) + 64 (sums) = 84 instructions for 32 bytes a lane
//
// against 94 with the XORs of all subsets of 4 planes. At 64 a cycle and multiprocessor, an H200 (132 of them, 1.98
// GHz) could do 6.4 TB/s: more than its memory delivers (4.5).
#pragma once

#include "ecc/lane.hpp"
#include "ecc/parity/code.hpp"

namespace gmemfs::kernels {

/// 32 symbols of one lane: bit j of word[k] is bit k of symbol j.
struct Planes {
    uint32_t word[8];
};

struct Network {
    static constexpr unsigned kNone = 255;
    static constexpr unsigned kTermsMax = 40;
    /// Sum of up to three earlier terms, by index; kNone where there are fewer.
    struct Sum {
        unsigned term[3] = {kNone, kNone, kNone};
    };
    unsigned term_count = 8;       // terms 0 to 7 are the planes themselves
    Symbol planes[kTermsMax] = {}; // planes[t]: bit m is set where plane m counts for term t
    Sum terms[kTermsMax] = {};     // terms[t], t from 8: how it is made
    Sum outputs[8][8] = {};        // outputs[i][k]: plane k of the product by the coefficient of x^i, two terms at most

    /// Whether `wanted` is a term, or the sum of two; and of which.
    constexpr bool reach(Symbol wanted, Sum &sum) const {
        for (unsigned first = 0; first < term_count; ++first) {
            if (planes[first] == wanted) return sum.term[0] = first, true;
            for (unsigned second = 0; second < first; ++second)
                if ((planes[first] ^ planes[second]) == wanted) return sum.term[0] = first, sum.term[1] = second, true;
        }
        return false;
    }
    /// Whether `wanted` can be made by one instruction; and how.
    constexpr bool make(Symbol wanted, Sum &sum) const {
        if (reach(wanted, sum)) return true;
        for (unsigned third = 0; third < term_count; ++third)
            if (reach(static_cast<Symbol>(wanted ^ planes[third]), sum)) return sum.term[2] = third, true;
        return false;
    }
};

/// The planes of a symbol that count for plane k of its product by `constant`.
constexpr Symbol product_plane(Symbol constant, unsigned k) {
    unsigned planes = 0;
    for (unsigned m = 0; m < 8; ++m) planes |= (gf256::multiply(constant, Symbol(1U << m)) >> k & 1U) << m;
    return static_cast<Symbol>(planes);
}

constexpr Network make_network() {
    Network network;
    for (unsigned m = 0; m < 8; ++m) network.planes[m] = Symbol(1U << m);
    for (;;) {
        // unreached[s]: how many of the 64 sums are s, and are out of reach so far
        unsigned unreached[256] = {};
        unsigned left = 0;
        for (unsigned i = 0; i < 8; ++i)
            for (unsigned k = 0; k < 8; ++k) {
                const Symbol wanted = product_plane(kGenerator[i], k);
                network.outputs[i][k] = {};
                if (network.reach(wanted, network.outputs[i][k])) continue;
                ++unreached[wanted];
                ++left;
            }
        if (left == 0) return network;
        // The term that brings the most of them into reach, by itself or together with one that is there.
        unsigned best = 0, best_gain = 0;
        Network::Sum best_sum;
        for (unsigned candidate = 1; candidate < 256; ++candidate) {
            Network::Sum sum;
            unsigned gain = unreached[candidate];
            for (unsigned term = 0; term < network.term_count; ++term)
                gain += unreached[candidate ^ network.planes[term]];
            if (gain <= best_gain || !network.make(Symbol(candidate), sum)) continue;
            best = candidate;
            best_gain = gain;
            best_sum = sum;
        }
        network.planes[network.term_count] = Symbol(best);
        network.terms[network.term_count] = best_sum;
        ++network.term_count;
    }
}

inline constexpr Network kNetwork = make_network();
static_assert(kNetwork.term_count == 20, "the instruction count above is out of date");

/// The sum of up to three of `term`.
template <unsigned kFirst, unsigned kSecond, unsigned kThird, unsigned kCount>
GPU_INLINE uint32_t sum_of(const uint32_t (&term)[kCount]) {
    if constexpr (kThird != Network::kNone)
        return xor3(term[kFirst], term[kSecond], term[kThird]);
    else if constexpr (kSecond != Network::kNone)
        return term[kFirst] ^ term[kSecond];
    else
        return term[kFirst];
}

/// One step of the division by g: remainder = (remainder * x + row * x^8) mod g. remainder[0] is the coefficient of
/// x^7.
GPU_INLINE void divide_step(Planes (&remainder)[8], const Planes &row) {
    uint32_t term[kNetwork.term_count];
    unrolled<8>([&](auto k) { term[k] = row.word[k] ^ remainder[0].word[k]; });
    unrolled<kNetwork.term_count - 8>([&](auto extra) {
        constexpr Network::Sum sum = kNetwork.terms[8 + extra];
        term[8 + extra] = sum_of<sum.term[0], sum.term[1], sum.term[2]>(term);
    });
    unrolled<64>([&](auto output) { // in this order, because remainder[i] is made of remainder[i + 1]
        constexpr unsigned i = output / 8, k = output % 8;
        constexpr Network::Sum sum = kNetwork.outputs[7 - i][k];
        if constexpr (i == 7)
            remainder[i].word[k] = sum_of<sum.term[0], sum.term[1], Network::kNone>(term);
        else if constexpr (sum.term[1] == Network::kNone)
            remainder[i].word[k] = remainder[i + 1].word[k] ^ term[sum.term[0]];
        else
            remainder[i].word[k] = xor3(remainder[i + 1].word[k], term[sum.term[0]], term[sum.term[1]]);
    });
}

} // namespace gmemfs::kernels
