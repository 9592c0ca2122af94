// NBD pattern: blocks that each say what they should be: seed, offset and generation, and bytes that follow from these.
#pragma once

#include "vmm/base/random.hpp"

#include <cstdint>
#include <cstring>
#include <span>

namespace gmemfs::bench {

// Each 8 bytes of a block follow from all three numbers, so that a mix of two generations is found as well.
class BlockPattern {
public:
    explicit BlockPattern(std::uint64_t seed) : seed_(seed) {}

    void fill(std::span<std::byte> block, std::uint64_t offset, std::uint64_t generation) const {
        const std::uint64_t head[] = {seed_, offset, generation};
        std::memcpy(block.data(), head, sizeof head);
        Random random = words_of(offset, generation);
        for (std::size_t at = sizeof head; at < block.size(); at += sizeof(std::uint64_t)) {
            const std::uint64_t word = random.next();
            std::memcpy(block.data() + at, &word, sizeof word);
        }
    }
    /// Whether it is whole, of this place, and of a generation from `oldest` to `newest`.
    bool is_right(
        std::span<const std::byte> block, std::uint64_t offset, std::uint64_t oldest, std::uint64_t newest) const {
        std::uint64_t head[3] = {};
        std::memcpy(head, block.data(), sizeof head);
        if (head[0] != seed_ || head[1] != offset || head[2] < oldest || head[2] > newest) return false;
        Random random = words_of(offset, head[2]);
        for (std::size_t at = sizeof head; at < block.size(); at += sizeof(std::uint64_t)) {
            const std::uint64_t word = random.next();
            if (std::memcmp(block.data() + at, &word, sizeof word) != 0) return false;
        }
        return true;
    }

private:
    Random words_of(std::uint64_t offset, std::uint64_t generation) const {
        return Random(Random(seed_ ^ offset).next() ^ generation);
    }
    const std::uint64_t seed_;
};

} // namespace gmemfs::bench
