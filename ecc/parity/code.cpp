#include "ecc/parity/code.hpp"

#include <algorithm>
#include <optional>
#include <vector>

namespace gmemfs {
namespace {

using gf256::divide;
using gf256::multiply;
using gf256::power_of_a;

// polynomial[i] is the coefficient of x^i; degree 8 is the most that any step here reaches.
using Polynomial = std::array<Symbol, kParitySymbols + 1>;

Symbol evaluate(const Polynomial &polynomial, Symbol x) {
    Symbol sum = 0;
    for (std::size_t i = polynomial.size(); i-- > 0;) sum = static_cast<Symbol>(multiply(sum, x) ^ polynomial[i]);
    return sum;
}

struct Locator {
    Polynomial polynomial; // the product of (1 - X x) over the locations X = a^power of the wrong symbols
    std::size_t degree;
};

// Berlekamp-Massey (Massey, "Shift-register synthesis and BCH decoding", 1969, algorithm 2): the shortest linear
// recurrence that makes the syndromes.
Locator find_locator(const Syndromes &syndrome) {
    Polynomial current{1}, previous{1};
    std::size_t degree = 0, gap = 1;
    Symbol previous_discrepancy = 1;
    for (std::size_t n = 0; n < kParitySymbols; ++n) {
        Symbol discrepancy = syndrome[n];
        for (std::size_t i = 1; i <= degree; ++i) discrepancy ^= multiply(current[i], syndrome[n - i]);
        if (discrepancy == 0) {
            ++gap;
            continue;
        }
        const Polynomial before = current;
        const Symbol factor = divide(discrepancy, previous_discrepancy);
        for (std::size_t i = gap; i < current.size(); ++i) current[i] ^= multiply(factor, previous[i - gap]);
        if (2 * degree > n) {
            ++gap;
            continue;
        }
        degree = n + 1 - degree;
        previous = before;
        previous_discrepancy = discrepancy;
        gap = 1;
    }
    return {current, degree};
}

// Forney's formula (Blahut, "Algebraic Codes for Data Transmission", section 7.5) for a first root of a^1: the value
// at location X is omega(1/X) / lambda'(1/X), where omega = syndromes * lambda mod x^8; no signs in characteristic 2.
Symbol error_value(const Syndromes &syndrome, const Polynomial &lambda, Symbol inverse_location) {
    Polynomial omega{}, derivative{};
    for (std::size_t i = 0; i < kParitySymbols; ++i)
        for (std::size_t j = 0; j <= i; ++j) omega[i] ^= multiply(syndrome[i - j], lambda[j]);
    for (std::size_t i = 1; i < lambda.size(); i += 2) derivative[i - 1] = lambda[i];
    return divide(evaluate(omega, inverse_location), evaluate(derivative, inverse_location));
}

Symbol &symbol_at(Codeword codeword, std::size_t power) {
    return power < kParitySymbols ? codeword.parity[kParitySymbols - 1 - power]
                                  : codeword.data[codeword.data.size() + kParitySymbols - 1 - power];
}

} // namespace

void encode(Codeword codeword) {
    GMEMFS_ASSERT(!codeword.data.empty());
    GMEMFS_ASSERT(codeword.data.size() <= kDataSymbolsMax);
    // Division of data(x) * x^8 by g(x); parity[0] holds the remainder's highest coefficient.
    std::ranges::fill(codeword.parity, Symbol(0));
    for (const Symbol symbol : codeword.data) {
        const auto feedback = static_cast<Symbol>(symbol ^ codeword.parity[0]);
        for (std::size_t i = 0; i + 1 < kParitySymbols; ++i)
            codeword.parity[i] =
                static_cast<Symbol>(codeword.parity[i + 1] ^ multiply(feedback, kGenerator[kParitySymbols - 1 - i]));
        codeword.parity[kParitySymbols - 1] = multiply(feedback, kGenerator[0]);
    }
}

Syndromes syndromes(Codeword codeword) {
    Syndromes result{};
    for (unsigned i = 0; i < kParitySymbols; ++i) {
        const Symbol root = power_of_a(i + 1);
        for (const Symbol symbol : codeword.data) result[i] = static_cast<Symbol>(multiply(result[i], root) ^ symbol);
        for (const Symbol symbol : codeword.parity) result[i] = static_cast<Symbol>(multiply(result[i], root) ^ symbol);
    }
    return result;
}

Result<std::size_t> correct(Codeword codeword) {
    GMEMFS_ASSERT(!codeword.data.empty());
    GMEMFS_ASSERT(codeword.data.size() <= kDataSymbolsMax);
    const Error damaged{EBADMSG, 0, "correct codeword"};
    const Syndromes syndrome = syndromes(codeword);
    if (syndrome == Syndromes{}) return std::size_t(0);
    const Locator locator = find_locator(syndrome);
    if (locator.degree > kCorrectableSymbols) return damaged;

    // Chien's search: 1/X = a^-power is a root of the locator. A root past the codeword's end, or one too few, means
    // that the word is no codeword with 4 errors.
    struct Mend {
        std::size_t power;
        Symbol value;
    };
    std::vector<Mend> mends;
    for (std::size_t power = 0; power < codeword.data.size() + kParitySymbols; ++power) {
        const Symbol inverse = power_of_a(static_cast<unsigned>(gf256::kOrder - power));
        if (evaluate(locator.polynomial, inverse) == 0)
            mends.push_back({power, error_value(syndrome, locator.polynomial, inverse)});
    }
    if (mends.size() != locator.degree) return damaged;
    for (const Mend &mend : mends) symbol_at(codeword, mend.power) ^= mend.value;
    return mends.size();
}

} // namespace gmemfs
