// Unit tests: the pool's fit against a model, and the bound on what one request looks at.
#include "pool/fit/fit.hpp"

#include <gtest/gtest.h>

#include <algorithm>
#include <cstdint>
#include <iterator>
#include <map>
#include <random>
#include <string>
#include <vector>

namespace gmemfs::pool {
namespace {

// Found by adding up what the longest ways through take() and give() touch; no number of blocks makes it larger.
constexpr unsigned kStepsMost = 20;

// The regions and live blocks, in ordered maps.
class Model {
public:
    void add(std::uint64_t start, std::uint64_t length) { regions_[start] = length; }
    // False: it is outside of every region, or on another block.
    bool take(std::uint64_t start, std::uint64_t length) {
        const auto region = std::prev(regions_.upper_bound(start));
        if (start < region->first || start + length > region->first + region->second) return false;
        const auto behind = live_.lower_bound(start);
        if (behind != live_.end() && behind->first < start + length) return false;
        if (behind != live_.begin() && std::prev(behind)->first + std::prev(behind)->second > start) return false;
        live_[start] = length;
        return true;
    }
    void give(std::uint64_t start) { live_.erase(start); }
    std::uint64_t largest_free() const {
        std::uint64_t largest = 0;
        for (const auto &[start, length] : regions_) {
            std::uint64_t at = start;
            for (auto next = live_.lower_bound(start); next != live_.end() && next->first < start + length; ++next) {
                largest = std::max(largest, next->first - at);
                at = next->first + next->second;
            }
            largest = std::max(largest, start + length - at);
        }
        return largest;
    }

private:
    std::map<std::uint64_t, std::uint64_t> regions_, live_;
};

// Of about one size in each doubling, as allocations of programs are.
std::uint64_t random_length(std::mt19937_64 &random) {
    const unsigned bits = static_cast<unsigned>(random() % 15);
    return (std::uint64_t(1) << bits) + random() % (std::uint64_t(1) << bits);
}

TEST(PoolFit, AMillionRandomStepsAgreeWithTheModel) {
    const std::uint64_t seed = std::random_device()();
    SCOPED_TRACE("seed " + std::to_string(seed));
    std::mt19937_64 random(seed);
    Fit fit;
    Model model;
    constexpr std::uint64_t kRegion = 1 << 20;
    for (std::uint64_t region = 0; region < 4; ++region) { // two of them lie side by side
        const std::uint64_t start = (region < 2 ? region : region * 5) * kRegion;
        fit.add(start, kRegion);
        model.add(start, kRegion);
    }
    std::vector<Fit::Block> live;
    std::uint64_t taken = 0;
    unsigned most = 0, failures = 0;
    for (int step = 0; step < 1'000'000; ++step) {
        const bool fills = step / 100'000 % 2 == 0; // and empties in turn
        if (live.empty() || random() % 16 < (fills ? 9 : 7)) {
            const std::uint64_t length = random_length(random);
            const std::optional<Fit::Block> block = fit.take(length);
            most = std::max(most, fit.steps());
            if (!block) {
                // A block of the next bin's size would have been found.
                const bool is_looked_at = failures++ % 64 == 0; // the model takes long for it
                ASSERT_LE(is_looked_at ? model.largest_free() : 0, length + length / 32) << step;
                continue;
            }
            ASSERT_EQ(block->length, length);
            ASSERT_TRUE(model.take(block->start, length)) << step;
            taken += length;
            live.push_back(*block);
        } else {
            const std::size_t index = random() % live.size();
            ASSERT_EQ(fit.block(live[index].node).start, live[index].start);
            fit.give(live[index].node);
            most = std::max(most, fit.steps());
            model.give(live[index].start);
            taken -= live[index].length;
            live[index] = live.back();
            live.pop_back();
        }
        ASSERT_EQ(fit.taken_units(), taken);
        ASSERT_EQ(fit.free_units(), 4 * kRegion - taken);
        ASSERT_EQ(fit.block_count(), live.size());
    }
    EXPECT_LE(most, kStepsMost);
    EXPECT_GT(failures, 0U); // it was full at times
    unsigned whole = 0;
    for (const Fit::Block &block : live) whole += fit.give(block.node).is_region ? 1 : 0;
    EXPECT_LE(whole, 4U);
    for (int region = 0; region < 4; ++region) EXPECT_TRUE(fit.take(kRegion)) << region;
}

TEST(PoolFit, ARequestLooksAtNoMoreAmongMoreBlocks) {
    std::mt19937_64 random(1);
    unsigned most_of_few = 0;
    for (const std::size_t count : {100U, 1'000U, 60'000U}) {
        Fit fit;
        fit.add(0, std::uint64_t(1) << 32);
        std::vector<Fit::Node> live;
        while (live.size() < count) live.push_back(fit.take(random_length(random))->node);
        unsigned most = 0;
        for (int step = 0; step < 200'000; ++step) {
            Fit::Node &node = live[random() % count];
            fit.give(node);
            most = std::max(most, fit.steps());
            node = fit.take(random_length(random))->node;
            most = std::max(most, fit.steps());
        }
        EXPECT_LE(most, kStepsMost) << count;
        if (count == 100U) most_of_few = most;
        EXPECT_LE(most, most_of_few + 2) << count;
    }
}

TEST(PoolFit, RegionsSideBySideDontBecomeOne) {
    Fit fit;
    fit.add(0, 100);
    fit.add(100, 100);
    EXPECT_FALSE(fit.take(101));
    const auto first = fit.take(100);
    const auto second = fit.take(100);
    ASSERT_TRUE(first && second);
    EXPECT_FALSE(fit.take(1));
    EXPECT_TRUE(fit.give(first->node).is_region);
    const Fit::Given given = fit.give(second->node);
    EXPECT_TRUE(given.is_region);
    EXPECT_FALSE(fit.take(101));
    fit.remove(given.node);
    EXPECT_EQ(fit.free_units(), 100U);
    EXPECT_EQ(fit.take(100)->start, first->start);
}

TEST(PoolFit, ABlockThatIsJustLargeEnoughIsFound) {
    Fit fit;
    fit.add(7, 1000); // 1000 is not a bin's least size
    const auto block = fit.take(1000);
    ASSERT_TRUE(block);
    EXPECT_EQ(block->start, 7U);
    fit.give(block->node);
    EXPECT_FALSE(fit.take(1001));
    EXPECT_FALSE(fit.take(Fit::kUnitsMax + 1));
}

TEST(PoolFit, TellsTheLargestFreePartToOne32nd) {
    Fit fit;
    EXPECT_EQ(fit.largest_free(), 0U);
    fit.add(0, 1000);
    EXPECT_EQ(fit.largest_free(), 1000U);
    const std::optional<Fit::Block> first = fit.take(300), second = fit.take(400);
    ASSERT_TRUE(first && second);
    EXPECT_EQ(fit.largest_free(), 300U);
    fit.give(second->node);
    EXPECT_EQ(fit.largest_free(), 700U);
    const std::optional<Fit::Block> all = fit.take(700);
    ASSERT_TRUE(all);
    EXPECT_EQ(fit.largest_free(), 0U);
    fit.add(5000, 10200);
    fit.add(20000, 10000); // in the same bin, and looked at first
    EXPECT_GE(fit.largest_free() * 32, 10200U * 31);
    EXPECT_LE(fit.largest_free(), 10200U);
}

} // namespace
} // namespace gmemfs::pool
