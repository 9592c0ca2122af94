// Written blocks: of a thin disk, which 4 KiB of its parts may hold something else than zeros.
//
//     words[part][word]: 256 words of 64 bits, a bit for each block of 4 KiB, the lowest first
//
// They live in memory that the processes which may serve the disk share: 2 KiB for each 64 MiB. A bit is set before the
// block is written, and cleared after it was filled with zeros. So a process that dies in between leaves too many bits.
#pragma once

#include "vmm/base/result.hpp"
#include "vmm/base/units.hpp"

#include <algorithm>
#include <atomic>
#include <cstddef>
#include <cstdint>
#include <span>

namespace gmemfs::block {

inline constexpr std::uint64_t kPartSize = 64 * MiB; ///< of a thin disk: what has memory, or has none

/// set() is thread-safe. The rest is for a thread that has the part alone.
class WrittenBlocks {
public:
    static constexpr std::uint64_t kBlock = 4096;
    static constexpr std::size_t kWordsPerPart = kPartSize / kBlock / 64;

    explicit WrittenBlocks(std::span<std::uint64_t> words) : words_(words) {}
    std::size_t parts() const { return words_.size() / kWordsPerPart; }

    // Bytes [begin, end) of a part.
    /// Every block that they touch.
    void set(std::size_t part, std::uint64_t begin, std::uint64_t end) {
        for_each_word(part, begin / kBlock, (end + kBlock - 1) / kBlock, [](std::uint64_t &word, std::uint64_t bits) {
            const std::atomic_ref<std::uint64_t> shared(word);
            if ((shared.load(std::memory_order_relaxed) & bits) != bits) shared.fetch_or(bits);
        });
    }
    /// Every block that lies in them.
    void clear(std::size_t part, std::uint64_t begin, std::uint64_t end) {
        for_each_word(part, (begin + kBlock - 1) / kBlock, end / kBlock,
            [](std::uint64_t &word, std::uint64_t bits) { word &= ~bits; });
    }
    bool has_any(std::size_t part) const {
        const std::span<std::uint64_t> words = words_.subspan(part * kWordsPerPart, kWordsPerPart);
        return std::any_of(words.begin(), words.end(), [](std::uint64_t word) { return word != 0; });
    }

private:
    template <typename Change>
    void for_each_word(std::size_t part, std::uint64_t first, std::uint64_t last, const Change &change) {
        GMEMFS_ASSERT(part < parts());
        GMEMFS_ASSERT(last <= kWordsPerPart * 64);
        while (first < last) {
            const std::uint64_t in_word = first % 64, count = std::min(64 - in_word, last - first);
            const std::uint64_t bits = (count == 64 ? ~std::uint64_t(0) : (std::uint64_t(1) << count) - 1) << in_word;
            change(words_[part * kWordsPerPart + first / 64], bits);
            first += count;
        }
    }

    std::span<std::uint64_t> words_;
};

} // namespace gmemfs::block
