// Scrubber: what it repairs and counts, its pace, what it waits for, and its end.
#include "fuse/host/scrubber.hpp"
#include "tests/support/simulation.hpp"

#include <thread>

namespace gmemfs {
namespace {

using test::must;
using namespace std::chrono_literals;
using Clock = std::chrono::steady_clock;

constexpr std::uint64_t kBlocks = 8; // of each file
constexpr std::uint64_t kFast = std::uint64_t(1) << 50;
constexpr std::chrono::seconds kOnce(3600); // one pass, as far as a test sees

class ScrubberTest : public test::OnSimulation {
protected:
    ~ScrubberTest() override {
        for (const auto &[name, file] : files_) {
            must(volume_.names().unlink(kRootInode, name, caller_.now));
            volume_.names().forget(file->id(), 1);
        }
    }
    File &make_file(const std::string &name) {
        const InodeRef file = must(volume_.make_node(caller_, kRootInode, name, S_IFREG | 0644, 0));
        files_.emplace_back(name, file);
        must(file->file()->resize(copiers(), kBlocks * kBlockSize));
        return *file->file();
    }
    void damage(File &file, std::uint64_t block, std::uint64_t bits) {
        must(file.damage(copiers(), block * kBlockSize, kBlockSize, bits, block));
    }
    std::unique_ptr<Scrubber> start(std::uint64_t rate, std::chrono::seconds interval = kOnce) {
        return std::make_unique<Scrubber>(volume_, stats_, rate, interval);
    }
    // Waits until so many passes have ended.
    static bool has_passed(const Scrubber &scrubber, std::uint64_t passes) {
        const Clock::time_point end = Clock::now() + 20s;
        while (scrubber.counts().passes < passes && Clock::now() < end) std::this_thread::yield();
        return scrubber.counts().passes >= passes;
    }

    LocalKeeper keeper_{simulation().driver(), HandlePolicy::automatic};
    Volume volume_{keeper_, simulation().devices(), {.storage = {}, .files = 0, .protection = Protection::parity},
        Credentials{}, 0755, timespec{}};
    Stats stats_;
    Caller caller_{Credentials{}, timespec{}, copiers()};

private:
    std::vector<std::pair<std::string, InodeRef>> files_;
};

TEST_F(ScrubberTest, RepairsAndCountsWhatIsWrong) {
    File &first = make_file("first"), &second = make_file("second");
    damage(first, 1, 1);
    damage(first, 5, 1);
    damage(second, 7, 200000); // beyond repair
    const auto scrubber = start(kFast);
    ASSERT_TRUE(has_passed(*scrubber, 1));
    const Scrubber::Counts counts = scrubber->counts();
    EXPECT_EQ(counts.scrubbed, 2 * kBlocks);
    EXPECT_EQ(counts.repaired, 2U);
    EXPECT_EQ(counts.damaged, 1U);
    EXPECT_EQ(counts.failed, 0U);
    EXPECT_TRUE(must(first.check_parity(ParityMode::verify, 0, first.size())).left_wrong.empty());
    EXPECT_EQ(
        must(second.check_parity(ParityMode::verify, 0, second.size())).left_wrong, std::vector<std::uint64_t>{7});
}

TEST_F(ScrubberTest, IsNoFasterThanItsPace) {
    for (const char *const name : {"a", "b", "c", "d"}) make_file(name);
    const Clock::time_point began = Clock::now();
    const auto scrubber = start(40 * MiB); // each file is a range of 1 MiB, for which the next one waits 25 ms
    ASSERT_TRUE(has_passed(*scrubber, 1));
    EXPECT_GE(Clock::now() - began, 100ms); // the question after the last one waits, too
}

TEST_F(ScrubberTest, EndsAtOnceHoweverSlowItsPace) {
    make_file("a");
    make_file("b");
    auto scrubber = start(1); // the second range would come in eleven days
    while (scrubber->counts().scrubbed == 0) std::this_thread::yield();
    const Clock::time_point began = Clock::now();
    const std::uint64_t scrubbed = scrubber->counts().scrubbed;
    scrubber.reset();
    EXPECT_LT(Clock::now() - began, 20s);
    EXPECT_EQ(scrubbed, kBlocks);
}

TEST_F(ScrubberTest, WhileTheMountIsBusyItWaits) {
    make_file("a");
    stats_.count_read(GiB); // so the first look, after a second, finds it busy, and the second one doesn't
    const Clock::time_point began = Clock::now();
    const auto scrubber = start(kFast, 0s); // the first pass comes before any look, the second one a second later
    ASSERT_TRUE(has_passed(*scrubber, 2));
    EXPECT_GE(Clock::now() - began, 2s);
    EXPECT_GE(scrubber->counts().scrubbed, 2 * kBlocks);
}

TEST_F(ScrubberTest, ARangeThatTheDeviceRefusesIsCounted) {
    make_file("a");
    make_file("b");
    simulation().plan_faults("cuLaunchKernel#1=OUT_OF_MEMORY");
    const auto scrubber = start(kFast);
    ASSERT_TRUE(has_passed(*scrubber, 1));
    EXPECT_EQ(scrubber->counts().failed, 1U);
    EXPECT_EQ(scrubber->counts().scrubbed, kBlocks);
}

} // namespace
} // namespace gmemfs
