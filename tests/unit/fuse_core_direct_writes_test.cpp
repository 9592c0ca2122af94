// Unit tests: what write(2) puts beside mapped pages, byte by byte.
#include "fuse/core/file/direct_writes.hpp"

#include "vmm/base/random.hpp"

#include <gtest/gtest.h>

#include <array>
#include <utility>

namespace gmemfs {
namespace {

std::vector<std::pair<std::uint64_t, std::uint64_t>> left_of(
    const DirectWrites &writes, std::uint64_t offset, std::uint64_t end) {
    std::vector<std::pair<std::uint64_t, std::uint64_t>> parts;
    for (const DirectWrites::ByteRange part : writes.left_of({offset, end})) parts.emplace_back(part.offset, part.end);
    return parts;
}
using Parts = std::vector<std::pair<std::uint64_t, std::uint64_t>>;

TEST(DirectWrites, WhatIsWrittenBackLeavesOutWhatWasWrittenSinceItWasRead) {
    DirectWrites writes;
    writes.begin();
    writes.forget({0, 4096});
    writes.add({512, 520});
    writes.add({600, 700});
    EXPECT_EQ(left_of(writes, 0, 4096), (Parts{{0, 512}, {520, 600}, {700, 4096}}));
    EXPECT_EQ(left_of(writes, 512, 520), Parts{});
    writes.forget({0, 4096});
    EXPECT_EQ(left_of(writes, 0, 4096), (Parts{{0, 4096}}));
}

TEST(DirectWrites, NothingIsNotedBeforeAPageWasRead) {
    DirectWrites writes;
    writes.add({0, 4096});
    EXPECT_EQ(left_of(writes, 0, 4096), (Parts{{0, 4096}}));
    writes.begin();
    EXPECT_EQ(left_of(writes, 0, 4096), (Parts{{0, 4096}}));
}

TEST(DirectWrites, AgreesWithAByteByByteModel) {
    constexpr std::uint64_t kSize = 200;
    for (std::uint64_t seed = 1; seed <= 50; ++seed) {
        SCOPED_TRACE(seed);
        Random random(seed);
        DirectWrites writes;
        writes.begin();
        std::array<bool, kSize> is_noted = {};
        for (int step = 0; step < 200; ++step) {
            const std::uint64_t offset = random.below(kSize - 1), end = offset + 1 + random.below(kSize - offset);
            const bool is_write = random.below(3) != 0;
            if (is_write)
                writes.add({offset, end});
            else
                writes.forget({offset, end});
            for (std::uint64_t at = offset; at < end; ++at) is_noted[at] = is_write;
            std::array<bool, kSize> is_left = {};
            for (const DirectWrites::ByteRange part : writes.left_of({0, kSize}))
                for (std::uint64_t at = part.offset; at < part.end; ++at) is_left[at] = true;
            for (std::uint64_t at = 0; at < kSize; ++at) ASSERT_NE(is_left[at], is_noted[at]) << at;
        }
    }
}

TEST(DirectWrites, TheLatestAreKnownHoweverManyThereWere) {
    DirectWrites writes;
    writes.begin();
    constexpr std::uint64_t kCount = 100000, kKnown = 16384;
    for (std::uint64_t index = 0; index < kCount; ++index) writes.add({2 * index, 2 * index + 1});
    EXPECT_EQ(left_of(writes, 0, 2), (Parts{{0, 2}})); // long ago
    for (std::uint64_t index = kCount - kKnown; index < kCount; ++index)
        ASSERT_EQ(left_of(writes, 2 * index, 2 * index + 2), (Parts{{2 * index + 1, 2 * index + 2}})) << index;
}

} // namespace
} // namespace gmemfs
