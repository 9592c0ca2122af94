// Code tool: the byte-wise code for programs in other languages: one command a line, one answer a line.
//
//     encode DATA            the 8 parity symbols
//     correct DATA PARITY    "N DATA PARITY" as mended, N symbols of them; or "damaged"
//
// Symbols are two hexadecimal digits each.
#include "ecc/parity/code.hpp"

#include <algorithm>
#include <iostream>
#include <string>
#include <vector>

namespace gmemfs {
namespace {

std::vector<Symbol> from_hex(const std::string &text) {
    std::vector<Symbol> symbols(text.size() / 2);
    for (std::size_t i = 0; i < symbols.size(); ++i)
        symbols[i] = static_cast<Symbol>(std::stoul(text.substr(2 * i, 2), nullptr, 16));
    return symbols;
}

std::string to_hex(std::span<const Symbol> symbols) {
    std::string text;
    for (const Symbol symbol : symbols) {
        text += "0123456789abcdef"[symbol >> 4];
        text += "0123456789abcdef"[symbol & 15];
    }
    return text;
}

int run() {
    std::string command, text;
    while (std::cin >> command >> text) {
        std::vector<Symbol> data = from_hex(text);
        std::array<Symbol, kParitySymbols> parity{};
        if (data.empty() || data.size() > kDataSymbolsMax) return 1;
        if (command == "encode") {
            encode({data, parity});
            std::cout << to_hex(parity) << '\n';
        } else if (command == "correct" && std::cin >> text && text.size() == 2 * kParitySymbols) {
            std::ranges::copy(from_hex(text), parity.begin());
            const Result<std::size_t> mended = correct({data, parity});
            if (mended)
                std::cout << *mended << ' ' << to_hex(data) << ' ' << to_hex(parity) << '\n';
            else
                std::cout << "damaged\n";
        } else {
            return 1;
        }
    }
    return 0;
}

} // namespace
} // namespace gmemfs

int main() { return gmemfs::run(); }
