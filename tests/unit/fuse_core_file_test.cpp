// Unit tests: a file's size, data and layout.
#include "fuse/core/file/file.hpp"
#include "tests/support/simulation.hpp"

#include <algorithm>
#include <cstring>
#include <functional>
#include <set>
#include <vector>

namespace gmemfs {
namespace {

using test::code_of;
using test::must;
using Bytes = std::vector<std::byte>;

class FileTest : public test::OnSimulation {
protected:
    FileTest() : storage_(keeper_, simulation().devices(), {}), file_(std::make_unique<File>(storage_, nullptr, 0)) {
        must(file_->place(&simulation().device()));
    }

    // Writes `size` bytes that depend on `seed` at `offset`, and returns them.
    Bytes write(std::uint64_t offset, std::size_t size, unsigned seed) {
        const auto bytes = pattern(size, seed);
        Bytes copy(bytes.begin(), bytes.end());
        must(file_->write(copiers(), offset, bytes, File::By::call));
        return copy;
    }
    Bytes read(std::uint64_t offset, std::size_t size) {
        const auto to = simulation().buffer().bytes().first(size);
        std::fill(to.begin(), to.end(), std::byte(0xEE));
        const std::size_t count = must(file_->read(copiers(), offset, to, File::By::call));
        return Bytes(to.begin(), to.begin() + static_cast<std::ptrdiff_t>(count));
    }
    bool reads_zeros(std::uint64_t offset, std::size_t size) { return read(offset, size) == Bytes(size); }
    // What a peer does through its mapping: bytes that the server doesn't see.
    void scribble(std::uint64_t offset, std::size_t size);

    LocalKeeper keeper_{simulation().driver(), HandlePolicy::automatic};
    Storage storage_;
    std::unique_ptr<File> file_;
};

void FileTest::scribble(std::uint64_t offset, std::size_t size) {
    // The extent is one, so its address is found by importing the handle as a peer does.
    const FabricHandle handle = must(file_->fabric_handles(copiers())).front();
    const Driver &driver = simulation().driver();
    const Allocation allocation = must(Allocation::import_fabric(driver, handle));
    const Mapping mapping = must(Mapping::create(driver, simulation().device().info(), allocation, file_->allocated()));
    const auto bytes = pattern(size, 99);
    must(simulation().device().make_current());
    Stream stream = must(Stream::create(simulation().device()));
    must(driver.check(
        driver.cuMemcpyHtoDAsync(mapping.address() + offset, bytes.data(), size, stream.get()), "scribble"));
    must(driver.check(driver.cuStreamSynchronize(stream.get()), "scribble"));
}

TEST_F(FileTest, NewFileIsEmptyAndHasNoMemory) {
    EXPECT_EQ(file_->size(), 0U);
    EXPECT_EQ(file_->allocated(), 0U);
    EXPECT_TRUE(read(0, 10).empty());
    EXPECT_EQ(code_of(file_->fabric_handles(copiers())), ENODATA);
}

TEST_F(FileTest, APageThatIsWrittenBackLeavesWhatWasWrittenSinceItWasRead) {
    constexpr std::size_t kPage = 4096;
    const auto cached = [&](auto act) { // in the page cache: read into pinned memory, changed there, and written back
        const auto page = simulation().buffer().bytes().first(kPage);
        must(file_->read(copiers(), 0, page, File::By::page_cache));
        act(page);
        must(file_->write(copiers(), 0, page, File::By::page_cache));
    };
    must(file_->resize(copiers(), kPage));
    Bytes expected(kPage);
    cached([&](std::span<std::byte> page) {
        const Bytes before(page.begin(), page.end());
        const Bytes written = write(512, 8, 1); // through the same pinned memory
        std::copy(written.begin(), written.end(), expected.begin() + 512);
        std::copy(before.begin(), before.end(), page.begin());
        page[0] = expected[0] = std::byte(7);
        page[515] = std::byte(8); // comes before the write, with which it was under way
    });
    EXPECT_EQ(read(0, kPage), expected);
    cached([&](std::span<std::byte> page) { page[515] = expected[515] = std::byte(9); });
    EXPECT_EQ(read(0, kPage), expected);
}

TEST_F(FileTest, OneTruncateMakesOneClearedExtent) {
    must(file_->resize(copiers(), 5 * MiB));
    EXPECT_EQ(file_->size(), 5 * MiB);
    EXPECT_EQ(file_->allocated(), 6 * MiB);
    EXPECT_EQ(file_->extent_infos().size(), 1U);
    EXPECT_TRUE(reads_zeros(0, 5 * MiB)); // the simulator hands out dirty memory
    EXPECT_EQ(must(file_->fabric_handles(copiers())).size(), 1U);
}

TEST_F(FileTest, ReadsStopAtTheEnd) {
    const Bytes written = write(0, 1000, 1);
    EXPECT_EQ(read(0, 4096), written);
    EXPECT_EQ(read(999, 4096).size(), 1U);
    EXPECT_TRUE(read(1000, 1).empty());
    EXPECT_TRUE(read(MiB, 1).empty());
}

TEST_F(FileTest, WriteAcrossExtentsComesBack) {
    write(0, 2 * MiB, 1);
    const Bytes second = write(2 * MiB - 7, 3 * MiB, 2);
    EXPECT_GT(file_->extent_infos().size(), 1U);
    EXPECT_EQ(read(2 * MiB - 7, 3 * MiB), second);
}

TEST_F(FileTest, WriteFarPastTheEndLeavesZerosBetween) {
    write(0, 100, 1);
    const Bytes far = write(5 * MiB, 100, 2);
    EXPECT_TRUE(reads_zeros(100, 5 * MiB - 100));
    EXPECT_EQ(read(5 * MiB, 200), far);
}

TEST_F(FileTest, GrowingAfterShrinkingReadsZeros) {
    write(0, 4 * MiB, 1);
    for (const std::uint64_t size : {3 * MiB + 5, std::uint64_t(100), std::uint64_t(0)}) {
        must(file_->resize(copiers(), size));
        must(file_->resize(copiers(), 4 * MiB));
        EXPECT_TRUE(reads_zeros(size, 4 * MiB - size)) << size;
    }
}

TEST_F(FileTest, ShrinkKeepsWhatIsBeforeTheNewEnd) {
    const Bytes written = write(0, 5 * MiB, 1);
    must(file_->resize(copiers(), MiB + 1));
    EXPECT_EQ(file_->allocated(), 2 * MiB);
    EXPECT_EQ(read(0, MiB + 1), Bytes(written.begin(), written.begin() + MiB + 1));
}

TEST_F(FileTest, ShrinkToNothingGivesAllMemoryBack) {
    const std::uint64_t before = simulation().used();
    write(0, 5 * MiB, 1);
    must(file_->resize(copiers(), 0));
    EXPECT_EQ(simulation().used(), before);
    EXPECT_FALSE(file_->is_loose());
}

TEST_F(FileTest, GrowthByWritingIsAmortised) {
    std::set<Keeper::Id> made; // also those that weren't kept
    for (std::uint64_t at = 0; at < 64 * MiB; at += MiB) {
        write(at, MiB, 1);
        for (const File::ExtentInfo &extent : file_->extent_infos()) made.insert(extent.id);
    }
    EXPECT_EQ(file_->size(), 64 * MiB);
    EXPECT_GE(file_->allocated(), 64 * MiB);
    EXPECT_EQ(made.size(), file_->extent_infos().size());
    EXPECT_EQ(made.size(), 6U);
}

TEST_F(FileTest, APeerNeverSeesWhatWasReservedAndNotCleared) {
    write(0, 3 * MiB, 1); // one extent of 4 MiB, which settling leaves as it is
    const FabricHandle handle = must(file_->fabric_handles(copiers())).front();
    const Allocation allocation = must(Allocation::import_fabric(simulation().driver(), handle));
    const Mapping mapping =
        must(Mapping::create(simulation().driver(), simulation().device().info(), allocation, file_->mappable()));
    const auto to = simulation().buffer().bytes().first(file_->mappable());
    Stream stream = must(Stream::create(simulation().device()));
    must(simulation().device().check(
        simulation().driver().cuMemcpyDtoHAsync(to.data(), mapping.address(), to.size(), stream.get()), "look"));
    must(simulation().device().check(simulation().driver().cuStreamSynchronize(stream.get()), "look"));
    EXPECT_EQ(Bytes(to.begin() + 3 * MiB, to.end()), Bytes(to.size() - 3 * MiB));
}

TEST_F(FileTest, SettleLeavesOneExtentWithTheSameBytes) {
    Bytes all;
    for (std::uint64_t at = 0; at < 7 * MiB; at += MiB) {
        const Bytes part = write(at, MiB, static_cast<unsigned>(at / MiB));
        all.insert(all.end(), part.begin(), part.end());
    }
    EXPECT_TRUE(file_->is_loose());
    must(file_->settle(copiers()));
    EXPECT_FALSE(file_->is_loose());
    EXPECT_EQ(file_->extent_infos().size(), 1U);
    EXPECT_EQ(file_->allocated(), 8 * MiB);
    EXPECT_EQ(read(0, 7 * MiB), all);
}

TEST_F(FileTest, SettleWithoutRoomForTheCopyMovesTheLastExtentAlone) {
    for (std::uint64_t at = 0; at < 141 * MiB; at += 3 * MiB) write(at, 3 * MiB, 3); // over half of 256 MiB
    const std::size_t count = file_->extent_infos().size();
    EXPECT_TRUE(file_->settle(copiers()));
    EXPECT_EQ(file_->extent_infos().size(), count);
    EXPECT_EQ(file_->allocated(), 142 * MiB);
    EXPECT_EQ(read(138 * MiB, 3 * MiB), read(0, 3 * MiB));
    EXPECT_TRUE(file_->is_loose());
    must(file_->resize(copiers(), 100 * MiB + 1));
    must(file_->settle(copiers()));
    EXPECT_EQ(file_->allocated(), 102 * MiB);
    EXPECT_EQ(file_->extent_infos().size(), 1U); // now there was room
    EXPECT_FALSE(file_->is_loose());
}

TEST_F(FileTest, WhatAFileHoldsAboveItsSizeIsBoundedHoweverLittleIsFree) {
    for (const std::uint64_t others : {0, 64, 128, 192, 224})
        for (const std::uint64_t size : {5, 17, 29, 61, 100, 150, 200}) {
            if (others + size + size / 16 + 4 > 256) continue;
            File taken(storage_, nullptr, 0);
            must(taken.resize(copiers(), others * MiB));
            File file(storage_, nullptr, 0);
            for (std::uint64_t at = 0; at < size * MiB; at += MiB)
                must(file.write(copiers(), at, pattern(MiB, 1), File::By::call));
            EXPECT_LE(file.allocated(), std::max(2 * size, size + size / 16 + 4) * MiB);
            must(file.settle(copiers()));
            EXPECT_GE(file.allocated(), size * MiB);
            EXPECT_LE(file.allocated(), (size + size / 16 + 2) * MiB) << size << " beside " << others;
        }
}

TEST_F(FileTest, AskingForAHandleSettles) {
    for (std::uint64_t at = 0; at < 5 * MiB; at += MiB) write(at, MiB, 1);
    EXPECT_GT(file_->extent_infos().size(), 1U);
    EXPECT_EQ(must(file_->fabric_handles(copiers())).size(), 1U);
}

TEST_F(FileTest, ExportedExtentsNeverMove) {
    must(file_->resize(copiers(), 4 * MiB));
    const FabricHandle handle = must(file_->fabric_handles(copiers())).front();
    must(file_->resize(copiers(), 9 * MiB));
    write(9 * MiB, MiB, 1);
    must(file_->settle(copiers()));
    must(file_->resize(copiers(), MiB));
    EXPECT_EQ(must(file_->fabric_handles(copiers())).front(), handle);
    EXPECT_EQ(file_->extent_infos().size(), 1U);
}

TEST_F(FileTest, APeersBytesPastTheEndNeverComeToLight) {
    must(file_->resize(copiers(), 2 * MiB));
    scribble(0, 2 * MiB);
    must(file_->resize(copiers(), MiB));
    scribble(MiB, MiB); // past the end, where the peer's mapping still reaches
    must(file_->resize(copiers(), MiB + 1000));
    EXPECT_TRUE(reads_zeros(MiB, 1000));
    write(2 * MiB, 10, 1);
    EXPECT_TRUE(reads_zeros(MiB, MiB));
}

TEST_F(FileTest, AFailedWritePastTheEndNeverComesToLight) {
    write(0, 100, 1);
    simulation().plan_faults("cuStreamSynchronize#1=NOT_PERMITTED"); // the bytes arrive, the answer is an error
    EXPECT_EQ(code_of(file_->write(copiers(), 100, pattern(1000, 2), File::By::call)), EPERM);
    simulation().plan_faults("");
    EXPECT_EQ(file_->size(), 100U);
    must(file_->resize(copiers(), 5000));
    EXPECT_TRUE(reads_zeros(100, 4900));
}

TEST_F(FileTest, TruncateBeyondTheDeviceChangesNothing) {
    const Bytes written = write(0, 3 * MiB, 1);
    must(file_->settle(copiers()));
    for (const std::uint64_t size : {300 * MiB, TiB, std::uint64_t(INT64_MAX)}) {
        EXPECT_EQ(code_of(file_->resize(copiers(), size)), ENOSPC) << size;
        EXPECT_EQ(file_->size(), 3 * MiB);
        EXPECT_EQ(file_->allocated(), 4 * MiB);
        EXPECT_EQ(read(0, 3 * MiB), written);
    }
    EXPECT_EQ(code_of(file_->resize(copiers(), std::uint64_t(INT64_MAX) + 1)), EFBIG);
    EXPECT_EQ(code_of(file_->write(copiers(), INT64_MAX - 1, pattern(10, 1), File::By::call)), EFBIG);
}

TEST_F(FileTest, AFullDeviceStillTakesWhatFits) {
    std::uint64_t at = 0;
    while (code_of(file_->write(copiers(), at, pattern(4 * MiB, 1), File::By::call)) == 0) at += 4 * MiB;
    EXPECT_GE(at + 8 * MiB, 256 * MiB - 2 * MiB); // doubling must not stop at half of the device
    EXPECT_EQ(file_->size(), at);
    EXPECT_EQ(read(at - 4 * MiB, 4 * MiB), read(0, 4 * MiB));
}

TEST_F(FileTest, CapacityIsALimitToTheByte) {
    Storage small(keeper_, simulation().devices(), {8 * MiB});
    File file(small, &simulation().device(), 0);
    EXPECT_EQ(code_of(file.resize(copiers(), 8 * MiB + 1)), ENOSPC);
    EXPECT_EQ(small.space().used, 0U);
    must(file.resize(copiers(), 8 * MiB));
    EXPECT_EQ(small.space().used, 8 * MiB);
    EXPECT_EQ(small.space().available, 0U);
}

TEST_F(FileTest, PlacementHoldsUntilThereIsMemory) {
    Device &second = *simulation().devices()[1];
    must(file_->place(&second));
    must(file_->resize(copiers(), MiB));
    EXPECT_EQ(file_->extent_infos().front().device, second.info().uuid_text());
    EXPECT_EQ(code_of(file_->place(&simulation().device())), EBUSY);
}

TEST_F(FileTest, AllocateKeepsTheSizeAndOutlivesSettling) {
    const Bytes written = write(0, 1000, 1);
    must(file_->allocate(copiers(), 0, 5 * MiB, File::SizeMode::keep));
    EXPECT_EQ(file_->size(), 1000U);
    EXPECT_EQ(file_->allocated(), 6 * MiB);
    must(file_->settle(copiers()));
    EXPECT_EQ(file_->allocated(), 6 * MiB);
    EXPECT_EQ(read(0, 4096), written);
    must(file_->resize(copiers(), 999));
    EXPECT_EQ(file_->allocated(), 2 * MiB);
}

TEST_F(FileTest, AFailedTruncateLeavesWhatWasAllocated) {
    write(0, 1000, 1);
    must(file_->allocate(copiers(), 0, 8 * MiB, File::SizeMode::keep));
    simulation().plan_faults("cuMemCreate#1+=NOT_PERMITTED");
    EXPECT_EQ(code_of(file_->resize(copiers(), 999)), EPERM);
    simulation().plan_faults("");
    must(file_->punch(copiers(), 6 * MiB, 2 * MiB)); // of the memory past the end, which is known still
    EXPECT_EQ(file_->allocated(), 6 * MiB);
}

TEST_F(FileTest, AllocateExtendsWithZerosInOneExtent) {
    write(0, 1000, 1);
    must(file_->allocate(copiers(), 3 * MiB, 2 * MiB, File::SizeMode::extend));
    EXPECT_EQ(file_->size(), 5 * MiB);
    EXPECT_EQ(file_->extent_infos().size(), 1U);
    EXPECT_TRUE(reads_zeros(1000, 5 * MiB - 1000));
    EXPECT_EQ(code_of(file_->allocate(copiers(), INT64_MAX, 2, File::SizeMode::extend)), EFBIG);
    EXPECT_EQ(code_of(file_->allocate(copiers(), 0, TiB, File::SizeMode::keep)), ENOSPC);
}

TEST_F(FileTest, APunchedHoleReadsZerosAndNothingElseChanges) {
    const Bytes written = write(0, 5 * MiB, 1);
    must(file_->punch(copiers(), 2 * MiB - 3, 7));
    EXPECT_TRUE(reads_zeros(2 * MiB - 3, 7));
    EXPECT_EQ(read(0, 2 * MiB - 3), Bytes(written.begin(), written.begin() + 2 * MiB - 3));
    EXPECT_EQ(read(2 * MiB + 4, 4096), Bytes(written.begin() + 2 * MiB + 4, written.begin() + 2 * MiB + 4100));
    must(file_->punch(copiers(), 4 * MiB, INT64_MAX));
    EXPECT_EQ(file_->size(), 5 * MiB);
    EXPECT_TRUE(reads_zeros(4 * MiB, MiB));
}

TEST_F(FileTest, PunchingPastTheEndGivesGranulesBack) {
    write(0, 1000, 1);
    must(file_->allocate(copiers(), 0, 9 * MiB, File::SizeMode::keep));
    must(file_->punch(copiers(), 3 * MiB, TiB));
    EXPECT_EQ(file_->allocated(), 4 * MiB);
}

TEST_F(FileTest, CopyOnTheDeviceCrossesExtents) {
    const Bytes first = write(0, 2 * MiB, 1);
    const Bytes second = write(2 * MiB, 3 * MiB, 2);
    File target(storage_, nullptr, 0);
    EXPECT_EQ(must(target.copy_from(copiers(), *file_, MiB + 1, 5, TiB)), 4 * MiB - 1);
    EXPECT_EQ(target.size(), 4 * MiB + 4);
    const auto to = simulation().buffer().bytes().first(4 * MiB + 4);
    ASSERT_EQ(must(target.read(copiers(), 0, to, File::By::call)), to.size());
    EXPECT_EQ(Bytes(to.begin(), to.begin() + 5), Bytes(5));
    EXPECT_TRUE(std::equal(to.begin() + 5, to.begin() + 5 + MiB - 1, first.begin() + MiB + 1));
    EXPECT_TRUE(std::equal(to.begin() + 4 + MiB, to.end(), second.begin()));
    EXPECT_EQ(must(target.copy_from(copiers(), *file_, 5 * MiB, 0, 1)), 0U); // past the source's end
}

TEST_F(FileTest, CopyWithinAFileRefusesOverlap) {
    const Bytes written = write(0, MiB, 1);
    EXPECT_EQ(code_of(file_->copy_from(copiers(), *file_, 0, 100, 101)), EINVAL);
    EXPECT_EQ(must(file_->copy_from(copiers(), *file_, 0, 3 * MiB, MiB)), MiB);
    EXPECT_EQ(read(3 * MiB, MiB), written);
    EXPECT_TRUE(reads_zeros(MiB, 2 * MiB));
}

TEST_F(FileTest, CopyBetweenDevicesOpensTheSourceWhenItIsWorthIt) {
    must(file_->resize(copiers(), 40 * MiB));
    const Bytes written = write(34 * MiB, MiB, 1);
    File target(storage_, simulation().devices()[1].get(), 0);
    simulation().plan_faults("cuDeviceCanAccessPeer#1+=UNKNOWN"); // which is asked before access is given
    EXPECT_EQ(must(target.copy_from(copiers(), *file_, 0, 0, 31 * MiB)), 31 * MiB);
    EXPECT_EQ(code_of(target.copy_from(copiers(), *file_, 0, 0, MiB)), EIO);
    simulation().plan_faults("");
    EXPECT_EQ(must(target.copy_from(copiers(), *file_, 34 * MiB, 0, MiB)), MiB); // over the link
    EXPECT_EQ(target.size(), 31 * MiB);
    const auto to = simulation().buffer().bytes().first(MiB);
    ASSERT_EQ(must(target.read(copiers(), 0, to, File::By::call)), MiB);
    EXPECT_TRUE(std::equal(to.begin(), to.end(), written.begin()));
}

TEST_F(FileTest, CopyBetweenDevicesKeepsEveryByte) {
    const Bytes written = write(0, 5 * MiB, 1);
    Device &other = *simulation().devices()[1];
    File target(storage_, &other, 0);
    EXPECT_EQ(must(target.copy_from(copiers(), *file_, MiB, 100, 3 * MiB)), 3 * MiB);
    EXPECT_EQ(target.placement().home, &other);
    const auto to = simulation().buffer().bytes().first(100 + 3 * MiB);
    ASSERT_EQ(must(target.read(copiers(), 0, to, File::By::call)), to.size());
    EXPECT_EQ(Bytes(to.begin(), to.begin() + 100), Bytes(100));
    EXPECT_TRUE(std::equal(to.begin() + 100, to.end(), written.begin() + MiB));
    EXPECT_EQ(must(file_->copy_from(copiers(), target, 100, 4 * MiB, 2 * MiB)), 2 * MiB); // and back
    EXPECT_EQ(read(4 * MiB, 2 * MiB), Bytes(written.begin() + MiB, written.begin() + 3 * MiB));
}

// SQLite's loop: fail driver call 1, then 2, ... of every operation, until none is left; once, and for ever after.
TEST_F(FileTest, EveryFailingCallLeavesTheFileAsItWas) {
    struct Operation {
        const char *name;
        std::function<Result<void>(File &)> run;
    };
    const std::vector<Operation> operations = {
        {"grow", [](File &file) { return file.resize(copiers(), 9 * MiB); }},
        {"shrink", [](File &file) { return file.resize(copiers(), 3 * MiB + 1); }},
        {"shrink to nothing", [](File &file) { return file.resize(copiers(), 0); }},
        {"append", [](File &file) { return file.write(copiers(), 5 * MiB, pattern(3 * MiB, 4), File::By::call); }},
        {"settle", [](File &file) { return file.settle(copiers()); }},
        {"allocate", [](File &file) { return file.allocate(copiers(), 0, 17 * MiB, File::SizeMode::keep); }},
    };
    for (const Operation &operation : operations) {
        for (const char *how : {"", "+"}) {
            unsigned long failures = 0;
            for (unsigned long call = 1;; ++call) {
                File file(storage_, &simulation().device(), 0);
                for (std::uint64_t at = 0; at < 5 * MiB; at += MiB)
                    must(file.write(copiers(), at, pattern(MiB, static_cast<unsigned>(at / MiB)), File::By::call));
                simulation().plan_faults("*#" + std::to_string(call) + how + "=OUT_OF_MEMORY");
                const Result<void> result = operation.run(file);
                const bool was_reached = simulation().call_count() >= call;
                simulation().plan_faults("");
                if (!was_reached) break;
                if (!result) ++failures;
                if (result) continue;
                EXPECT_NE(result.error().code, 0) << operation.name;
                ASSERT_EQ(file.size(), 5 * MiB) << operation.name << ", call " << call << how;
                const auto to = simulation().buffer().bytes().first(MiB);
                for (std::uint64_t at = 0; at < 5 * MiB; at += MiB) {
                    ASSERT_EQ(must(file.read(copiers(), at, to, File::By::call)), MiB);
                    const Bytes found(to.begin(), to.end());
                    const auto expected = pattern(MiB, static_cast<unsigned>(at / MiB));
                    ASSERT_TRUE(std::equal(found.begin(), found.end(), expected.begin()))
                        << operation.name << ", call " << call << how << ", MiB " << at / MiB;
                }
            }
            if (std::string(operation.name) != "shrink to nothing") {
                EXPECT_GT(failures, 0U) << operation.name << ": no call ever failed it, so this checked nothing";
            }
        }
    }
    EXPECT_EQ(keeper_.count(), 0U) << "an extent leaked";
}

} // namespace
} // namespace gmemfs
