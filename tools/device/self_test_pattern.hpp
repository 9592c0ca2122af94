// SelfTestPattern: the random bytes that a self-test fills a device with, which follow from seed and offset.
#pragma once

#include "vmm/base/random.hpp"

#include <cstddef>
#include <cstdint>
#include <cstring>
#include <span>

namespace gmemfs {

/// A memory cell that is stuck at one value agrees with random bytes half of the time, but never with both polarities.
enum class Polarity : std::uint8_t { plain, inverse };

/// Word `index`, of 64 bits, is number `index` of SplitMix64 from the seed. A value.
class SelfTestPattern {
public:
    explicit SelfTestPattern(std::uint64_t seed, Polarity polarity)
        : seed_(seed), mask_(polarity == Polarity::plain ? 0 : ~std::uint64_t(0)) {}

    /// Writes the bytes from `offset` on. `offset` and the size of `to` are multiples of 8.
    void write(std::uint64_t offset, std::span<std::byte> to) const {
        Random random(seed_ + offset / kWordSize * kStep);
        for (std::size_t at = 0; at < to.size(); at += kWordSize) {
            const std::uint64_t word = random.next() ^ mask_;
            std::memcpy(to.data() + at, &word, kWordSize);
        }
    }

private:
    static constexpr std::size_t kWordSize = 8;
    static constexpr std::uint64_t kStep = 0x9e3779b97f4a7c15; // by which SplitMix64's state goes on
    std::uint64_t seed_, mask_;
};

} // namespace gmemfs
