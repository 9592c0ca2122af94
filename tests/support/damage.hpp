// Damage: codewords and blocks that own their memory, and ways to make some of it wrong.
#pragma once

#include "ecc/parity/findings.hpp"
#include "ecc/parity/kernels/checksum.cuh"
#include "vmm/base/random.hpp"

#include <algorithm>
#include <cstddef>
#include <cstring>
#include <memory>
#include <new>
#include <vector>

namespace gmemfs::test {

/// A codeword that owns its symbols: data first, then parity. A value.
struct Word {
    explicit Word(std::size_t data_size) : data(data_size) {}
    /// Random data, encoded.
    Word(std::size_t data_size, Random &random) : Word(data_size) {
        for (Symbol &symbol : data) symbol = static_cast<Symbol>(random.next());
        encode(view());
    }
    Codeword view() { return {data, parity}; }
    std::size_t size() const { return data.size() + parity.size(); }
    Symbol &at(std::size_t index) { return index < data.size() ? data[index] : parity[index - data.size()]; }
    bool operator==(const Word &) const = default;

    std::vector<Symbol> data;
    std::array<Symbol, kParitySymbols> parity{};
};

/// Makes `count` different symbols wrong.
inline void damage(Word &word, std::size_t count, Random &random) {
    std::vector<std::size_t> indexes;
    while (indexes.size() < count) {
        const std::size_t index = random.below(word.size());
        if (std::ranges::find(indexes, index) != indexes.end()) continue;
        indexes.push_back(index);
        word.at(index) ^= static_cast<Symbol>(1 + random.below(255));
    }
}

/// Blocks of `rows` data rows with their parity and checksums, in host memory, laid out as on a device. A value.
class BlockMemory {
public:
    BlockMemory(unsigned rows, unsigned block_count)
        : rows_(rows), data_(block_count * rows * kRowSize / kUnit), parity_(block_count * kBlockParitySize / kUnit),
          checksums_(block_count) {}
    bool operator==(const BlockMemory &other) const {
        return data_ == other.data_ && parity_ == other.parity_ &&
               std::memcmp(checksums_.data(), other.checksums_.data(), checksums_.size() * sizeof(Checksum)) == 0;
    }

    std::uint8_t *data() { return data_.data()->bytes; }
    std::uint8_t *parity() { return parity_.data()->bytes; }
    Checksum *checksums() { return checksums_.data(); }
    std::uint64_t block_count() const { return checksums_.size(); }
    std::size_t data_size() const { return data_.size() * kUnit; }
    std::size_t parity_size() const { return parity_.size() * kUnit; }

    void fill(Random &random) {
        for (std::size_t i = 0; i < data_size(); i += 8) {
            const std::uint64_t word = random.next();
            std::memcpy(data() + i, &word, 8);
        }
    }
    Word codeword(std::uint64_t block, unsigned index) {
        Word word(rows_);
        gather(data_of(block), parity_of(block), index, word.view());
        return word;
    }
    void put(std::uint64_t block, unsigned index, Word word) {
        scatter(word.view(), index, data_of(block), parity_of(block));
    }
    void damage(std::uint64_t block, unsigned index, std::size_t count, Random &random) {
        Word word = codeword(block, index);
        test::damage(word, count, random);
        put(block, index, word);
    }
    /// Turns `bits` of one symbol.
    void turn(std::uint64_t block, unsigned index, std::size_t symbol, Symbol bits) {
        Word word = codeword(block, index);
        word.at(symbol) ^= bits;
        put(block, index, word);
    }

private:
    static constexpr std::size_t kUnit = 16;
    struct alignas(kUnit) Unit { // kernels load 16 bytes at once
        std::uint8_t bytes[kUnit];
        bool operator==(const Unit &) const = default;
    };
    std::span<std::byte> data_of(std::uint64_t block) {
        return {reinterpret_cast<std::byte *>(data()) + block * rows_ * kRowSize, std::size_t(rows_) * kRowSize};
    }
    std::span<std::byte> parity_of(std::uint64_t block) {
        return {reinterpret_cast<std::byte *>(parity()) + block * kBlockParitySize, kBlockParitySize};
    }

    unsigned rows_;
    std::vector<Unit> data_, parity_;
    std::vector<Checksum> checksums_;
};

} // namespace gmemfs::test
