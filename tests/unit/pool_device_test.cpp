// Unit tests: a device's pool on the simulator: when memory is used again, what finds it, what bounds it.
#include "client/lib/device_wait.hpp"
#include "pool/memory/device_pool.hpp"
#include "pool/memory/figures.hpp"
#include "tests/support/simulation.hpp"
#include "vmm/base/units.hpp"

#include <algorithm>
#include <atomic>
#include <map>
#include <random>
#include <set>
#include <string>
#include <thread>
#include <vector>

namespace gmemfs::pool {
namespace {

using test::code_of;
using test::must;

class PoolDevice : public test::OnSimulation {
protected:
    // The first fence of a context leaves a byte of its own allocated, for good.
    static void SetUpTestSuite() {
        test::Simulation &simulation = test::Simulation::get();
        must(simulation.device().make_current());
        CUcontext context = nullptr;
        simulation.driver().cuCtxGetCurrent(&context);
        must(client::wait_for_context(simulation.driver(), context));
    }
    PoolDevice() {
        must(simulation().device().make_current());
        driver().cuCtxGetCurrent(&context_);
    }
    const Driver &driver() const { return simulation().driver(); }
    DevicePool::User plain() const { return {context_, std::nullopt}; }
    DevicePool::User ordered(CUstream stream) const { return {context_, stream}; }
    CUdeviceptr take(std::uint64_t size) { return must(pool_.take(size, plain())); }
    void give(CUdeviceptr address) { ASSERT_EQ(must(pool_.give(address, plain())), DevicePool::Given::done); }
    CUstream make_stream() {
        CUstream stream = nullptr;
        EXPECT_EQ(driver().cuStreamCreate(&stream, CU_STREAM_NON_BLOCKING), CUDA_SUCCESS);
        return stream;
    }
    static std::uint64_t fences() { return own_figures().fences.load(); }

    CUcontext context_ = nullptr;
    ExtentFiles files_{"/no/mount", ExtentFiles::AtEnd::drop}; // its memory is no file then
    Limit limit_{200 * MiB};
    Exports exports_;
    DevicePool pool_{simulation().driver(), simulation().device().info(), files_, limit_, exports_};
};

TEST_F(PoolDevice, FreedMemoryIsUsedAgainOnlyBehindAFence) {
    const std::uint64_t before = fences();
    std::set<CUdeviceptr> seen;
    std::uint64_t handed_out = 0;
    while (fences() == before) { // all of the arena, and never a block twice
        const CUdeviceptr address = take(4 * MiB);
        if (fences() != before) break;
        EXPECT_TRUE(seen.insert(address).second);
        handed_out += 4 * MiB;
        give(address);
    }
    EXPECT_EQ(handed_out, DevicePool::kArenaFirst);
    EXPECT_EQ(limit_.held(), DevicePool::kArenaFirst); // and no second arena was made
}

TEST_F(PoolDevice, BlocksOfOneSizeFillTheirArenas) {
    std::vector<CUdeviceptr> blocks;
    for (int count = 0; count < 8; ++count) blocks.push_back(take(20 * MiB)); // four to an arena
    EXPECT_EQ(limit_.held(), 8 * 20 * MiB);
    for (const CUdeviceptr address : blocks) give(address);
}

TEST_F(PoolDevice, AStreamUsesWhatItHasFreedAtOnceAndAnotherOneDoesnt) {
    const std::uint64_t before = fences();
    CUstream first = make_stream();
    CUstream second = make_stream();
    const CUdeviceptr address = must(pool_.take(MiB, ordered(first)));
    EXPECT_EQ(must(pool_.give(address, ordered(first))), DevicePool::Given::done);
    EXPECT_NE(must(pool_.take(MiB, ordered(second))), address);
    EXPECT_NE(take(MiB), address);
    EXPECT_EQ(must(pool_.take(MiB - 100, ordered(first))), address);
    EXPECT_EQ(must(pool_.give(address, ordered(first))), DevicePool::Given::done);
    EXPECT_NE(must(pool_.take(MiB / 2, ordered(first))), address); // which would waste the other half
    pool_.forget(first);                                           // another stream may get its number
    EXPECT_NE(must(pool_.take(MiB, ordered(first))), address);
    EXPECT_EQ(fences(), before);
    driver().cuStreamDestroy(first);
    driver().cuStreamDestroy(second);
}

// What the first user has queued must not land on the second one's bytes.
TEST_F(PoolDevice, WorkThatIsQueuedOnAFreedBlockEndsBeforeItsNextUser) {
    constexpr std::uint64_t kSize = 30 * MiB;
    CUstream first = make_stream();
    CUstream second = make_stream();
    for (int round = 0; round < 5; ++round) {
        const CUdeviceptr block = take(kSize);
        const CUdeviceptr others[] = {take(kSize), take(kSize)}; // so that the arena has room for no fourth one
        for (int fill = 0; fill < 20; ++fill) ASSERT_EQ(driver().cuMemsetD8Async(block, 1, kSize, first), CUDA_SUCCESS);
        give(block);
        const CUdeviceptr next = take(kSize);
        ASSERT_EQ(next, block);
        ASSERT_EQ(driver().cuMemsetD8Async(next, 2, kSize, second), CUDA_SUCCESS);
        driver().cuStreamSynchronize(second);
        driver().cuStreamSynchronize(first);
        std::vector<unsigned char> bytes(kSize);
        driver().cuMemcpyDtoHAsync(bytes.data(), next, kSize, second);
        driver().cuStreamSynchronize(second);
        EXPECT_EQ(static_cast<std::uint64_t>(std::count(bytes.begin(), bytes.end(), 2)), kSize);
        give(next);
        for (const CUdeviceptr other : others) give(other);
    }
    driver().cuStreamDestroy(first);
    driver().cuStreamDestroy(second);
}

TEST_F(PoolDevice, WhatIsFreedTwiceOrNeverWasIsntTaken) {
    const CUdeviceptr address = take(1000);
    EXPECT_EQ(must(pool_.give(address + 1, plain())), DevicePool::Given::missed);
    EXPECT_EQ(must(pool_.give(address + kUnit, plain())), DevicePool::Given::missed);
    give(address);
    EXPECT_EQ(must(pool_.give(address, plain())), DevicePool::Given::missed);
    EXPECT_EQ(must(pool_.give(0x1000, plain())), DevicePool::Given::missed);
}

TEST_F(PoolDevice, AnyByteOfABlockFindsIt) {
    const CUdeviceptr small = take(1000), next = take(20 * MiB), large = take(40 * MiB);
    EXPECT_EQ(small % 512, 0U);
    EXPECT_EQ(pool_.find(small + 999)->address, small);
    EXPECT_EQ(pool_.find(small + 999)->size, 1000U);
    EXPECT_FALSE(pool_.find(small + 1000)); // of its last unit, and not its own
    EXPECT_EQ(pool_.find(next + 20 * MiB - 1)->address, next);
    EXPECT_EQ(pool_.find(large + 40 * MiB - 1)->address, large);
    EXPECT_FALSE(pool_.find(large + 40 * MiB));
    EXPECT_NE(pool_.find(small)->serial, pool_.find(next)->serial);
    give(next);
    EXPECT_FALSE(pool_.find(next + 5));
}

TEST_F(PoolDevice, AFenceLeavesCapturesWhole) {
    const auto begin =
        reinterpret_cast<decltype(&::cuStreamBeginCapture)>(driver().find("cuStreamBeginCapture", 10010));
    const auto end = reinterpret_cast<decltype(&::cuStreamEndCapture)>(driver().find("cuStreamEndCapture", 10000));
    const auto drop = reinterpret_cast<decltype(&::cuGraphDestroy)>(driver().find("cuGraphDestroy", 10000));
    CUstream stream = make_stream();
    ASSERT_EQ(begin(stream, CU_STREAM_CAPTURE_MODE_GLOBAL), CUDA_SUCCESS);
    const std::uint64_t before = fences();
    for (const CUdeviceptr large = take(40 * MiB); fences() == before;) {
        give(take(8 * MiB));
        if (fences() != before) give(large); // which is waited for, too
    }
    CUgraph graph = nullptr;
    EXPECT_EQ(end(stream, &graph), CUDA_SUCCESS);
    drop(graph);
    driver().cuStreamDestroy(stream);
}

TEST_F(PoolDevice, IdleArenasMakeRoomForALargeBlock) {
    std::vector<CUdeviceptr> blocks;
    for (int index = 0; index < 5; ++index) blocks.push_back(take(30 * MiB)); // two arenas
    EXPECT_EQ(code_of(pool_.take(150 * MiB, plain())), ENOSPC);
    for (const CUdeviceptr block : blocks) give(block);
    EXPECT_EQ(pool_.idle(), limit_.held());
    const CUdeviceptr large = take(150 * MiB);
    EXPECT_EQ(limit_.held(), 150 * MiB);
    give(large);
    EXPECT_EQ(limit_.held(), 0U);
}

TEST_F(PoolDevice, WhatAContextHadGoesWithIt) {
    take(MiB);
    take(40 * MiB);
    give(take(MiB));
    must(pool_.settle());
    pool_.drop(context_);
    EXPECT_EQ(pool_.idle(), limit_.held());
    EXPECT_EQ(limit_.held(), DevicePool::kArenaFirst);
}

// Each thread's blocks hold the thread's bytes until it frees them.
TEST_F(PoolDevice, ThreadsNeverGetEachOthersMemory) {
    const unsigned seed = std::random_device()();
    SCOPED_TRACE("seed " + std::to_string(seed));
    std::atomic<int> wrong = 0;
    const auto work = [&](unsigned number) {
        must(simulation().device().make_current());
        std::mt19937 random(seed + number);
        std::map<CUdeviceptr, unsigned> live; // how many words each block has
        CUstream stream = make_stream();
        std::vector<unsigned> words;
        for (int step = 0; step < 250; ++step) {
            if (live.size() < 8 && random() % 2 == 0) {
                const unsigned count = 1 + random() % 20000;
                const CUdeviceptr address = must(pool_.take(count * 4, random() % 2 == 0 ? plain() : ordered(stream)));
                words.assign(count, number);
                driver().cuMemcpyHtoDAsync(address, words.data(), count * 4, stream);
                driver().cuStreamSynchronize(stream);
                wrong += live.emplace(address, count).second ? 0 : 1;
            } else if (!live.empty()) {
                const auto one = live.begin();
                words.assign(one->second, ~0U);
                driver().cuMemcpyDtoHAsync(words.data(), one->first, words.size() * 4, stream);
                driver().cuStreamSynchronize(stream);
                wrong += std::all_of(words.begin(), words.end(), [&](unsigned word) { return word == number; }) ? 0 : 1;
                const auto user = random() % 2 == 0 ? plain() : ordered(stream);
                wrong += must(pool_.give(one->first, user)) == DevicePool::Given::done ? 0 : 1;
                live.erase(one);
            }
        }
        pool_.forget(stream);
        driver().cuStreamDestroy(stream);
    };
    std::vector<std::thread> threads;
    for (unsigned number = 1; number <= 4; ++number) threads.emplace_back(work, number);
    for (std::thread &thread : threads) thread.join();
    EXPECT_EQ(wrong, 0);
}

} // namespace
} // namespace gmemfs::pool
