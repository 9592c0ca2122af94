// Scrubber: what it repairs, counts and reports, its pace, pauses and its end.
#include "ecc/parity/scrubber.hpp"
#include "tests/support/simulation.hpp"

#include <algorithm>
#include <atomic>
#include <semaphore>

namespace gmemfs {
namespace {

using test::must;
using namespace std::chrono_literals;
using Clock = std::chrono::steady_clock;

constexpr std::uint64_t kBlocks = 32; // of a 4 MiB extent
constexpr std::uint64_t kFast = std::uint64_t(1) << 50;
constexpr auto kPatience = 20s;

class ScrubberTest : public test::OnSimulation {
protected:
    ScrubberTest()
        : extent_(must(Extent::create(keeper_, device(), kBlocks * kBlockSize))),
          kernels_(must(ParityKernels::load(device()))),
          parity_(must(Parity::create(*kernels_, pool_, {extent_.get(), 0, extent_->size()}))),
          stream_(must(Stream::create(device()))), repairs_(must(Stream::create(device()))),
          findings_(must(FindingsBuffer::create(pool_))) {
        must(
            device().check(driver().cuMemsetD8Async(extent_->address(), 0x33, extent_->size(), stream_.get()), "fill"));
        must(parity_->encode(stream_.get(), 0, kBlocks));
        wait();
    }
    static Device &device() { return simulation().device(); }
    static const Driver &driver() { return simulation().driver(); }
    void wait() { must(device().check(driver().cuStreamSynchronize(stream_.get()), "wait")); }

    // Turns all bits of `count` rows' first bytes: as many symbols of codeword 0 to 7 are wrong.
    void damage(std::uint64_t block, unsigned count) {
        for (unsigned row = 0; row < count; ++row)
            must(device().check(driver().cuMemsetD8Async(
                                    extent_->address() + block * kBlockSize + row * kRowSize, 0xcc, 1, stream_.get()),
                "damage"));
        wait();
    }
    std::uint8_t first_byte(std::uint64_t block) {
        std::byte byte{};
        must(copiers().of(device()).read({extent_.get(), block * kBlockSize, 1}, {&byte, 1}));
        return static_cast<std::uint8_t>(byte);
    }

    // Gives out the extent's blocks, 4 at a time, in `passes` passes, then nothing.
    std::optional<Scrubber::Job> next() {
        ++asked_;
        const std::uint64_t job = given_;
        if (job >= passes_ * kBlocks / 4) {
            idle_.release();
            return std::nullopt;
        }
        ++given_;
        return Scrubber::Job{4 * kBlockSize, [this, job] {
                                 Result<BlockReport> report = parity_->check(
                                     ParityMode::repair, repairs_.get(), findings_, job * 4 % kBlocks, 4);
                                 if (report)
                                     reports_.push_back(report->left_wrong);
                                 else
                                     errors_.push_back(report.error().code);
                                 done_.release();
                                 return report;
                             }};
    }
    std::unique_ptr<Scrubber> start(std::uint64_t rate) {
        return std::make_unique<Scrubber>(rate, [this] { return next(); });
    }

    LocalKeeper keeper_{driver(), HandlePolicy::fd};
    Pool pool_{keeper_, device()};
    std::shared_ptr<Extent> extent_;
    std::unique_ptr<ParityKernels> kernels_;
    std::unique_ptr<Parity> parity_;
    Stream stream_;
    Stream repairs_; // these two are the scrubber's thread's
    FindingsBuffer findings_;
    std::atomic<std::uint64_t> passes_ = 1, given_ = 0, asked_ = 0;
    std::counting_semaphore<> idle_{0}, done_{0};
    // The scrubber's thread's, until it is idle:
    std::vector<std::vector<std::uint64_t>> reports_;
    std::vector<int> errors_;
};

TEST_F(ScrubberTest, RepairsAndCountsWhatIsWrong) {
    damage(1, 4);
    damage(17, 1);
    damage(30, 5); // beyond repair
    const auto scrubber = start(kFast);
    ASSERT_TRUE(idle_.try_acquire_for(kPatience));
    const Scrubber::Counts counts = scrubber->counts();
    EXPECT_EQ(counts.scrubbed, kBlocks);
    EXPECT_EQ(counts.repaired, 2U);
    EXPECT_EQ(counts.damaged, 1U);
    EXPECT_EQ(counts.failed, 0U);
    EXPECT_EQ(first_byte(1), 0x33);
    EXPECT_EQ(first_byte(17), 0x33);
    EXPECT_EQ(first_byte(30), 0xcc); // left as it was
    ASSERT_EQ(reports_.size(), kBlocks / 4);
    EXPECT_EQ(reports_.back(), std::vector<std::uint64_t>{30});
    EXPECT_TRUE(std::all_of(reports_.begin(), reports_.end() - 1, [](const auto &left) { return left.empty(); }));
}

TEST_F(ScrubberTest, WithoutWorkItAsksOnlyWhenItIsWoken) {
    const auto scrubber = start(kFast);
    ASSERT_TRUE(idle_.try_acquire_for(kPatience));
    EXPECT_EQ(asked_, kBlocks / 4 + 1);
    damage(5, 2);
    passes_ = 2;
    scrubber->wake();
    ASSERT_TRUE(idle_.try_acquire_for(kPatience));
    EXPECT_EQ(asked_, 2 * (kBlocks / 4 + 1));
    EXPECT_EQ(scrubber->counts().scrubbed, 2 * kBlocks);
    EXPECT_EQ(scrubber->counts().repaired, 1U);
}

TEST_F(ScrubberTest, IsNoFasterThanItsPace) {
    const Clock::time_point began = Clock::now();
    const auto scrubber = start(40 * MiB); // 8 jobs of 512 KiB: each but the last is waited out for 12.5 ms
    ASSERT_TRUE(idle_.try_acquire_for(kPatience));
    EXPECT_GE(Clock::now() - began, 100ms); // the question after the last job waits, too
}

TEST_F(ScrubberTest, EndsAtOnceHoweverSlowItsPace) {
    auto scrubber = start(1); // the second job would come in six days
    ASSERT_TRUE(done_.try_acquire_for(kPatience));
    const Clock::time_point began = Clock::now();
    scrubber.reset();
    EXPECT_LT(Clock::now() - began, kPatience);
    EXPECT_EQ(given_, 1U);
}

TEST_F(ScrubberTest, WhilePausedItAsksForNothing) {
    passes_ = 0;
    const auto scrubber = start(kFast);
    ASSERT_TRUE(idle_.try_acquire_for(kPatience));
    scrubber->pause();
    passes_ = 1;
    scrubber->wake();
    EXPECT_FALSE(done_.try_acquire_for(50ms));
    EXPECT_EQ(given_, 0U);
    scrubber->resume();
    ASSERT_TRUE(idle_.try_acquire_for(kPatience));
    EXPECT_EQ(scrubber->counts().scrubbed, kBlocks);
}

TEST_F(ScrubberTest, AJobThatTheDeviceRefusesIsToldAndCounted) {
    simulation().plan_faults("cuLaunchKernel#1=OUT_OF_MEMORY");
    const auto scrubber = start(kFast);
    ASSERT_TRUE(idle_.try_acquire_for(kPatience));
    EXPECT_EQ(scrubber->counts().failed, 1U);
    EXPECT_EQ(scrubber->counts().scrubbed, kBlocks - 4);
    ASSERT_EQ(errors_.size(), 1U);
    EXPECT_NE(errors_[0], 0);
}

TEST_F(ScrubberTest, WhatAJobHoldsIsLetGoWhenItIsDone) {
    std::weak_ptr<int> held;
    std::binary_semaphore idle{0};
    std::atomic<bool> was_held = false;
    const auto next = [&]() -> std::optional<Scrubber::Job> {
        if (!held.expired() || was_held) {
            was_held = was_held && held.expired();
            idle.release();
            return std::nullopt;
        }
        auto own = std::make_shared<int>(1);
        held = own;
        return Scrubber::Job{1, [own, &was_held]() -> Result<BlockReport> {
                                 was_held = true;
                                 return BlockReport{};
                             }};
    };
    const Scrubber scrubber(kFast, next);
    ASSERT_TRUE(idle.try_acquire_for(kPatience));
    EXPECT_TRUE(was_held);
}

} // namespace
} // namespace gmemfs
