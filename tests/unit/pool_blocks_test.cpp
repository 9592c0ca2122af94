// Unit tests: a pool's table of blocks, as its process writes it and the server reads it.
#include "fuse/broker/block_list.hpp"
#include "pool/memory/block_table.hpp"
#include "tests/support/simulation.hpp"
#include "vmm/base/units.hpp"

#include <gtest/gtest.h>

#include <atomic>
#include <map>
#include <optional>
#include <random>
#include <thread>
#include <unistd.h>
#include <vector>

namespace gmemfs::pool {
namespace {

using block_table::State;
using test::code_of;
using test::must;

constexpr std::uint64_t kLease = 41;

// All of it, by pages.
std::vector<PoolBlock> list_all(const BlockTable &table, std::uint64_t lease, std::uint64_t size, std::size_t page) {
    std::vector<PoolBlock> all;
    for (std::uint64_t from = 0; from < size;) {
        const std::vector<PoolBlock> more = must(list_blocks(table.file(), lease, size, from, page));
        EXPECT_FALSE(more.empty());
        EXPECT_LE(more.size(), page);
        for (const PoolBlock &block : more) {
            EXPECT_EQ(block.offset, from); // without a gap or an overlap
            EXPECT_NE(block.size, 0U);
            from = block.offset + block.size;
            all.push_back(block);
        }
    }
    return all;
}

TEST(PoolBlocks, AreListedAsTheyAreWhateverWasThereBefore) {
    constexpr std::uint64_t kSize = 64 * MiB;
    std::mt19937_64 random(1);
    BlockTable table;
    const BlockTable::Row other = table.add(7), row = table.add(kLease);
    BlockEntries slots(table);
    struct Block {
        std::uint32_t slot;
        std::uint64_t asked;
        State state;
    };
    std::map<std::uint64_t, Block> model; // by offset
    std::vector<std::uint32_t> unused;
    for (std::uint32_t slot = 0; slot < 6000; ++slot) unused.push_back(slot);
    std::uint64_t tag = 0;
    for (int step = 0; step < 40000; ++step) {
        const std::uint64_t offset = random() % (kSize / 8192) * 8192;
        const auto there = model.find(offset);
        if (there == model.end() && !unused.empty()) {
            const std::uint64_t asked = 1 + random() % 8192;
            slots.at(unused.back()).take(row.place_of(offset), {asked, ++tag, 0});
            model[offset] = {unused.back(), asked, State::used};
            unused.pop_back();
        } else if (there != model.end() && there->second.state == State::used) {
            slots.at(there->second.slot).change(State::waiting);
            there->second.state = State::waiting;
        } else if (there != model.end()) {
            slots.at(there->second.slot).change(State::none);
            unused.push_back(there->second.slot);
            model.erase(there);
        }
    }
    slots.at(6000).take(other.place_of(512), {512, 1, 0});
    ASSERT_GT(model.size(), 3000U);
    for (const std::size_t page : {std::size_t(1) << 20, std::size_t(500), std::size_t(7)}) {
        std::size_t taken = 0;
        for (const PoolBlock &block : list_all(table, kLease, kSize, page)) {
            if (block.state == State::none) continue;
            ++taken;
            const auto there = model.find(block.offset);
            ASSERT_NE(there, model.end());
            EXPECT_EQ(block.state, there->second.state);
            EXPECT_EQ(block.asked, there->second.asked);
            EXPECT_EQ(block.size, round_up(block.asked, 512));
        }
        EXPECT_EQ(taken, model.size());
    }
    EXPECT_EQ(list_all(table, 7, kSize, 500).size(), 3U);
    EXPECT_EQ(must(list_blocks(table.file(), kLease, kSize, kSize, 500)).size(), 0U);
}

TEST(PoolBlocks, OfAFileThatIsGoneOrNeverWasThereAreNone) {
    BlockTable table;
    std::optional<BlockTable::Row> row(table.add(kLease));
    BlockEntry(row->whole()).take(row->place_of(0), {1000, 1, 0});
    EXPECT_EQ(must(list_blocks(table.file(), kLease, 2 * MiB, MiB, 500)).front().asked, 1000U);
    EXPECT_EQ(code_of(list_blocks(table.file(), 8, 2 * MiB, 0, 500)), ENODATA);
    EXPECT_EQ(code_of(list_blocks(table.file(), 0, 2 * MiB, 0, 500)), ENODATA); // what unused rows have
    row.reset();
    EXPECT_EQ(code_of(list_blocks(table.file(), kLease, 2 * MiB, 0, 500)), ENODATA);
    const BlockTable::Row next = table.add(kLease + 1); // in the same place
    EXPECT_EQ(must(list_blocks(table.file(), kLease + 1, 2 * MiB, 0, 500)).front().state, State::none);
}

// Whatever a process says while it says it.
TEST(PoolBlocks, AreAWholeListWhileTheyChange) {
    constexpr std::uint64_t kSize = 4 * MiB;
    BlockTable table;
    const BlockTable::Row row = table.add(kLease);
    std::atomic<bool> ends = false;
    std::thread changes([&] {
        std::mt19937_64 random(2);
        BlockEntries slots(table);
        for (std::uint64_t tag = 0; !ends; ++tag) {
            BlockEntry entry = slots.at(static_cast<std::uint32_t>(random() % 64));
            entry.take(row.place_of(random() % (kSize / 512) * 512), {1 + random() % MiB, tag, 0});
            entry.change(random() % 2 == 0 ? State::none : State::waiting);
        }
    });
    for (int round = 0; round < 300; ++round) {
        std::uint64_t end = 0;
        for (const PoolBlock &block : must(list_blocks(table.file(), kLease, kSize, 0, 1000))) {
            EXPECT_EQ(block.offset, end);
            end = block.offset + block.size;
        }
        EXPECT_EQ(end, kSize);
    }
    ends = true;
    changes.join();
}

} // namespace
} // namespace gmemfs::pool
