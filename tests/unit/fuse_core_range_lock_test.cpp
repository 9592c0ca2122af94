// Unit tests: who waits for whom in a file, and that a stream of readers keeps nobody out.
#include "fuse/core/file/range_lock.hpp"

#include "vmm/base/lock.hpp"

#include <gtest/gtest.h>

#include <atomic>
#include <chrono>
#include <optional>
#include <thread>
#include <vector>

namespace gmemfs {
namespace {

using namespace std::chrono_literals;

// `take` on a thread of its own, while the caller holds what it holds.
class Taker {
public:
    template <typename Take>
    explicit Taker(Take take)
        : thread_([this, take] {
              take();
              is_done_ = true;
          }) {}
    ~Taker() { thread_.join(); }
    bool waits() const { return !is_done_within(50ms); }
    bool passes() const { return is_done_within(10s); } // a busy machine starts a thread late

private:
    bool is_done_within(std::chrono::milliseconds time) const {
        const auto end = std::chrono::steady_clock::now() + time;
        while (!is_done_ && std::chrono::steady_clock::now() < end) std::this_thread::sleep_for(1ms);
        return is_done_;
    }
    std::atomic<bool> is_done_ = false;
    std::thread thread_;
};

TEST(RangeLock, OverlappingClaimsWaitAndDisjointOnesDont) {
    RangeLock lock;
    std::optional<Taker> behind;
    {
        const auto held = lock.claim(100, 200);
        EXPECT_TRUE(Taker([&] { (void)lock.claim(200, 300); }).passes());
        EXPECT_TRUE(Taker([&] { (void)lock.share(0, 100); }).passes());
        behind.emplace([&] { (void)lock.claim(199, RangeLock::kToTheEnd); });
        EXPECT_TRUE(behind->waits());
    }
    EXPECT_TRUE(behind->passes());
    {
        const auto held = lock.claim(100, 200);
        behind.emplace([&] { (void)lock.share(0, 101); });
        EXPECT_TRUE(behind->waits());
    }
    EXPECT_TRUE(behind->passes());
}

TEST(RangeLock, SharesOverlap) {
    RangeLock lock;
    std::optional<Taker> behind;
    {
        const auto held = lock.share(0, 100);
        EXPECT_TRUE(Taker([&] { (void)lock.share(50, 60); }).passes());
        behind.emplace([&] { (void)lock.claim(50, 60); });
        EXPECT_TRUE(behind->waits());
    }
    EXPECT_TRUE(behind->passes());
}

TEST(RangeLock, AWriterIsntStarvedByReadersThatCameLater) {
    RangeLock lock;
    std::optional<Taker> writer;
    std::optional<Taker> reader;
    {
        const auto held = lock.share(0, 100);
        writer.emplace([&] { (void)lock.claim(0, 10); });
        EXPECT_TRUE(writer->waits());
        reader.emplace([&] { (void)lock.share(5, 20); });
        EXPECT_TRUE(reader->waits()); // behind the writer
    }
    EXPECT_TRUE(writer->passes());
    EXPECT_TRUE(reader->passes());
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
