// Unit tests: who waits for whom in a file, and that a stream of readers keeps nobody out.
#include "fuse/core/range_lock.hpp"

#include "vmm/base/lock.hpp"

#include <gtest/gtest.h>

#include <atomic>
#include <chrono>
#include <thread>
#include <vector>

namespace gmemfs {
namespace {

using namespace std::chrono_literals;

// Whether `take` returns while the caller holds what it holds: for at least 50 ms it must not, or must.
template <typename Take>
bool waits(Take take, std::thread &thread) {
    std::atomic<bool> taken = false;
    auto done = std::make_shared<std::atomic<bool>>(false);
    thread = std::thread([take, done] {
        take();
        *done = true;
    });
    for (int index = 0; index < 50 && !*done; ++index) std::this_thread::sleep_for(1ms);
    return !*done;
}

TEST(RangeLock, OverlappingClaimsWaitAndDisjointOnesDont) {
    RangeLock lock;
    std::thread thread;
    {
        const auto held = lock.claim(100, 200);
        EXPECT_FALSE(waits([&] { (void)lock.claim(200, 300); }, thread));
        thread.join();
        EXPECT_FALSE(waits([&] { (void)lock.share(0, 100); }, thread));
        thread.join();
        EXPECT_TRUE(waits([&] { (void)lock.claim(199, RangeLock::kToTheEnd); }, thread));
    }
    thread.join();
    {
        const auto held = lock.claim(100, 200);
        EXPECT_TRUE(waits([&] { (void)lock.share(0, 101); }, thread));
    }
    thread.join();
}

TEST(RangeLock, SharesOverlap) {
    RangeLock lock;
    std::thread thread;
    {
        const auto held = lock.share(0, 100);
        EXPECT_FALSE(waits([&] { (void)lock.share(50, 60); }, thread));
        thread.join();
        EXPECT_TRUE(waits([&] { (void)lock.claim(50, 60); }, thread));
    }
    thread.join();
}

TEST(RangeLock, AWriterIsntStarvedByReadersThatCameLater) {
    RangeLock lock;
    std::thread writer;
    std::thread reader;
    {
        const auto held = lock.share(0, 100);
        EXPECT_TRUE(waits([&] { (void)lock.claim(0, 10); }, writer));
        EXPECT_TRUE(waits([&] { (void)lock.share(5, 20); }, reader)); // behind the writer
    }
    writer.join();
    reader.join();
}

TEST(RangeLock, ClaimsExclude) {
    RangeLock lock;
    std::vector<int> cells(64, 0);
    std::vector<std::thread> threads;
    for (unsigned number = 0; number < 4; ++number)
        threads.emplace_back([&, number] {
            for (unsigned round = 0; round < 2000; ++round) {
                const unsigned from = (number * 7 + round * 13) % 48;
                const auto range = lock.claim(from, from + 16);
                for (unsigned cell = from; cell < from + 16; ++cell) ++cells[cell]; // a race, were it not excluded
            }
        });
    for (std::thread &thread : threads) thread.join();
    int sum = 0;
    for (const int cell : cells) sum += cell;
    EXPECT_EQ(sum, 4 * 2000 * 16);
}

TEST(SharedMutex, AStreamOfReadersDoesntKeepAWriterOut) {
    SharedMutex mutex;
    std::atomic<bool> is_over = false;
    std::vector<std::thread> readers;
    for (int number = 0; number < 4; ++number)
        readers.emplace_back([&] {
            while (!is_over) {
                const HoldShared hold(mutex);
                std::this_thread::sleep_for(1ms); // there is always one that holds it
            }
        });
    const auto start = std::chrono::steady_clock::now();
    for (int round = 0; round < 20; ++round) const HoldExclusive hold(mutex);
    const auto took = std::chrono::steady_clock::now() - start;
    is_over = true;
    for (std::thread &thread : readers) thread.join();
    EXPECT_LT(took, 5s);
}

} // namespace
} // namespace gmemfs
