// Unit tests: a file with parity: that parity follows every change, and what becomes of wrong bytes.
#include "fuse/core/file/file.hpp"
#include "tests/support/simulation.hpp"

#include <algorithm>
#include <functional>
#include <random>
#include <vector>

namespace gmemfs {
namespace {

using test::code_of;
using test::must;
using Bytes = std::vector<std::byte>;
using Mode = ParityMode;

class ParityTest : public test::OnSimulation {
protected:
    ParityTest() : storage_(keeper_, simulation().devices(), {.verify_reads = true}), file_(make_file()) {}

    std::unique_ptr<File> make_file() {
        auto file = std::make_unique<File>(storage_, &simulation().device(), 0);
        must(file->set_protection(Protection::parity));
        return file;
    }
    Bytes write(std::uint64_t offset, std::size_t size, unsigned seed) {
        const auto bytes = pattern(size, seed);
        Bytes copy(bytes.begin(), bytes.end());
        must(file_->write(copiers(), offset, bytes, File::By::call));
        return copy;
    }
    Result<Bytes> try_read(std::uint64_t offset, std::size_t size) {
        const auto to = simulation().buffer().bytes().first(size);
        std::fill(to.begin(), to.end(), std::byte(0xEE));
        const std::size_t count = TRY(file_->read(copiers(), offset, to, File::By::call));
        return Bytes(to.begin(), to.begin() + static_cast<std::ptrdiff_t>(count));
    }
    Bytes read(std::uint64_t offset, std::size_t size) { return must(try_read(offset, size)); }
    BlockReport verify() { return must(file_->check_parity(Mode::verify, 0, file_->size())); }
    std::uint64_t repaired() { return storage_.parity_use().blocks.repaired; }

    // Turns all bits of the first byte of `rows` rows of a block, behind everybody's back: as many wrong symbols in
    // codewords 0 to 7. The file has an extent of its own.
    void damage(std::uint64_t block, unsigned rows) {
        if (file_->parity_state() != ParityState::open)
            must(file_->seal()); // or the encode of a write would come later
        for (unsigned row = 0; row < rows; ++row) turn_byte(block * kBlockSize + row * kRowSize);
    }
    void turn_byte(std::uint64_t offset) {
        for (const File::ExtentInfo &info : file_->extent_infos()) {
            if (offset < info.offset || offset >= info.offset + info.length) continue;
            ASSERT_FALSE(info.is_shared);
            // As the server maps it, and no peer: nothing is exported by this.
            Mapping mapping = must(keeper_.map(info.id, info.length));
            must(mapping.open(simulation().device().info()));
            std::byte byte{};
            const CUdeviceptr address = mapping.address() + offset - info.offset;
            Stream stream = must(Stream::create(simulation().device()));
            const Driver &driver = simulation().driver();
            must(driver.check(driver.cuMemcpyDtoHAsync(&byte, address, 1, stream.get()), "read"));
            must(driver.check(driver.cuStreamSynchronize(stream.get()), "read"));
            byte = ~byte;
            must(driver.check(driver.cuMemcpyHtoDAsync(address, &byte, 1, stream.get()), "write"));
            must(driver.check(driver.cuStreamSynchronize(stream.get()), "write"));
        }
    }

    LocalKeeper keeper_{simulation().driver(), HandlePolicy::automatic};
    Storage storage_;
    std::unique_ptr<File> file_;
};

TEST_F(ParityTest, CostsASixteenthOfTheBlocksAndNoPeerSeesIt) {
    const std::uint64_t before = storage_.space().used;
    must(file_->resize(copiers(), 32 * MiB));
    EXPECT_EQ(storage_.space().used - before, 34 * MiB);
    EXPECT_EQ(file_->allocated(), 32 * MiB);
    EXPECT_EQ(file_->mappable(), 32 * MiB);
    EXPECT_EQ(file_->parity_state(), ParityState::current);
    EXPECT_EQ(code_of(file_->set_protection(Protection::none)), EBUSY);
    must(file_->resize(copiers(), 0));
    EXPECT_EQ(storage_.space().used, before);
    must(file_->set_protection(Protection::none));
    EXPECT_EQ(file_->parity_state(), ParityState::off);
    EXPECT_EQ(code_of(file_->check_parity(Mode::verify, 0, 1)), ENODATA);
    EXPECT_TRUE(file_->seal());
}

TEST_F(ParityTest, IsRefusedWithTheDataWhereThereIsNoRoomForIt) {
    Storage small(keeper_, simulation().devices(), {.capacity = 34 * MiB - 1});
    File file(small, &simulation().device(), 0);
    must(file.set_protection(Protection::parity));
    EXPECT_EQ(code_of(file.resize(copiers(), 32 * MiB)), ENOSPC);
    EXPECT_EQ(file.size(), 0U);
    EXPECT_EQ(small.space().used, 0U);
    must(file.resize(copiers(), 30 * MiB));
}

// After each of many operations the file reads as it should, and all of its blocks agree with their parity.
TEST_F(ParityTest, FollowsEveryOperation) {
    constexpr std::uint64_t kLongest = 7 * MiB;
    for (unsigned seed = 1; seed <= 4; ++seed) {
        file_ = make_file();
        std::mt19937_64 random(seed);
        Bytes model;
        unsigned injected = 0;
        for (unsigned step = 0; step < 120; ++step) {
            SCOPED_TRACE("seed " + std::to_string(seed) + ", step " + std::to_string(step));
            const std::uint64_t offset = random() % (kLongest - MiB);
            const std::size_t length = 1 + random() % (random() % 2 == 0 ? MiB : 5000);
            const auto grow_to = [&](std::uint64_t end) { model.resize(std::max<std::size_t>(model.size(), end)); };
            switch (random() % 8) {
            case 0:
            case 1: {
                const std::uint64_t at = random() % 3 == 0 ? model.size() % kLongest : offset;
                const Bytes bytes = write(at, length, step);
                grow_to(at + length);
                std::copy(bytes.begin(), bytes.end(), model.begin() + static_cast<std::ptrdiff_t>(at));
                break;
            }
            case 2: {
                const std::uint64_t size = random() % 4 == 0 ? random() % 4096 : offset;
                must(file_->resize(copiers(), size));
                model.resize(size);
                break;
            }
            case 3:
                must(file_->allocate(copiers(), offset, length,
                    random() % 2 == 0 ? File::SizeMode::keep : (grow_to(offset + length), File::SizeMode::extend)));
                break;
            case 4: {
                must(random() % 2 == 0 ? file_->punch(copiers(), offset, length)
                                       : file_->zero(copiers(), offset, length));
                const std::size_t end = std::min<std::size_t>(offset + length, model.size());
                if (offset < end)
                    std::fill(model.begin() + std::ptrdiff_t(offset), model.begin() + std::ptrdiff_t(end), std::byte{});
                break;
            }
            case 5: must(file_->settle(copiers())); break;
            case 6: {
                if (model.size() < 2 * length) break;
                const std::uint64_t from = random() % (model.size() / 2 - length + 1);
                const std::uint64_t to = model.size() / 2 + random() % MiB;
                must(file_->copy_from(copiers(), *file_, from, to, length));
                grow_to(to + length);
                std::copy_n(Bytes(model).begin() + std::ptrdiff_t(from), length, model.begin() + std::ptrdiff_t(to));
                break;
            }
            case 7: {
                // A few wrong bytes, which whatever comes next has to mend and not to hide.
                if (model.empty() || file_->is_shared()) break;
                damage(random() % ((model.size() + kBlockSize - 1) / kBlockSize), 1 + unsigned(random() % 4));
                ++injected;
                continue;
            }
            }
            ASSERT_EQ(file_->size(), model.size());
            for (std::uint64_t at = 0; at < model.size(); at += 4 * MiB) { // which mends, too
                const std::size_t part = std::min<std::size_t>(4 * MiB, model.size() - at);
                const Bytes found = read(at, part);
                ASSERT_TRUE(std::equal(found.begin(), found.end(), model.begin() + std::ptrdiff_t(at)));
            }
            const BlockReport report = verify();
            ASSERT_TRUE(report.clean()) << "block " << report.left_wrong.front();
            ASSERT_EQ(file_->parity_state(), ParityState::current);
        }
        EXPECT_GT(injected, 3U);
        EXPECT_GT(repaired(), 3U);
    }
}

TEST_F(ParityTest, ReadsRepair) {
    const Bytes written = write(0, 5 * MiB, 1);
    damage(3, 4);
    damage(17, 1);
    EXPECT_EQ(verify().left_wrong, (std::vector<std::uint64_t>{3, 17}));
    EXPECT_EQ(repaired(), 0U);
    EXPECT_EQ(read(0, 5 * MiB), written);
    EXPECT_EQ(repaired(), 2U);
    EXPECT_TRUE(verify().clean());
}

TEST_F(ParityTest, AWriteToAPartOfABlockRepairsTheRestFirst) {
    Bytes expected = write(0, 2 * MiB, 1);
    damage(1, 4);
    const Bytes changed = write(kBlockSize + 70000, 100, 2);
    std::copy(changed.begin(), changed.end(), expected.begin() + kBlockSize + 70000);
    EXPECT_TRUE(verify().clean());
    EXPECT_EQ(repaired(), 1U);
    EXPECT_EQ(read(0, 2 * MiB), expected);
}

TEST_F(ParityTest, WhatIsBeyondRepairIsRefusedAndStaysKnown) {
    const Bytes written = write(0, 3 * MiB, 1);
    damage(5, 60);
    EXPECT_EQ(file_->parity_state(), ParityState::current); // nobody has looked yet
    EXPECT_EQ(code_of(try_read(5 * kBlockSize + 10, 10)), EIO);
    EXPECT_EQ(file_->parity_state(), ParityState::damaged);
    // All else can be read, also up to the damage in one request.
    EXPECT_EQ(read(4 * kBlockSize + 7, 2 * kBlockSize).size(), kBlockSize - 7);
    EXPECT_EQ(
        read(6 * kBlockSize, MiB), Bytes(written.begin() + 6 * kBlockSize, written.begin() + 6 * kBlockSize + MiB));
    // A part written anew encodes what is left of the damage, and doesn't hide it.
    write(5 * kBlockSize + 1000, 1000, 2);
    EXPECT_EQ(code_of(try_read(5 * kBlockSize, 10)), EIO);
    EXPECT_EQ(must(file_->check_parity(Mode::repair, 0, 3 * MiB)).left_wrong, std::vector<std::uint64_t>{5});
    must(file_->seal());
    EXPECT_EQ(file_->parity_state(), ParityState::damaged);
    // Nor does a move to another extent, or a copy.
    must(file_->resize(copiers(), 9 * MiB));
    EXPECT_EQ(file_->parity_state(), ParityState::damaged);
    const auto copy = make_file();
    EXPECT_EQ(code_of(copy->copy_from(copiers(), *file_, 0, 0, 3 * MiB)), EIO);
    // All of the block does.
    const Bytes anew = write(5 * kBlockSize, kBlockSize, 3);
    EXPECT_EQ(file_->parity_state(), ParityState::current);
    EXPECT_EQ(read(5 * kBlockSize, kBlockSize), anew);
}

TEST_F(ParityTest, CuttingDamageOffEndsIt) {
    write(0, 3 * MiB, 1);
    damage(20, 60);
    EXPECT_EQ(code_of(try_read(20 * kBlockSize, 1)), EIO);
    must(file_->resize(copiers(), MiB));
    EXPECT_EQ(file_->parity_state(), ParityState::current);
}

TEST_F(ParityTest, WhatAPeerWritesIsNeverRepairedAway) {
    write(0, 2 * MiB, 1);
    must(file_->fabric_handles(copiers()));
    EXPECT_EQ(file_->parity_state(), ParityState::open);
    damage(2, 1); // as few bytes as a repair would take away
    const std::byte theirs = read(2 * kBlockSize, 1).front();
    EXPECT_EQ(code_of(file_->check_parity(Mode::repair, 0, 2 * MiB)), EBUSY);
    EXPECT_EQ(code_of(file_->check_parity(Mode::verify, 0, 2 * MiB)), EBUSY);
    write(2 * kBlockSize + 5000, 100, 2); // nor by what others write beside it
    EXPECT_EQ(read(2 * kBlockSize, 1).front(), theirs);
    must(file_->seal());
    EXPECT_EQ(file_->parity_state(), ParityState::current);
    EXPECT_TRUE(verify().clean());
    EXPECT_EQ(read(2 * kBlockSize, 1).front(), theirs);
    EXPECT_EQ(repaired(), 0U);
    // From here on it's damage again.
    damage(2, 1);
    EXPECT_EQ(read(2 * kBlockSize, 1).front(), theirs);
    EXPECT_EQ(repaired(), 1U);
}

TEST_F(ParityTest, StaysOpenForEveryLeaseToWrite) {
    write(0, 2 * MiB, 1);
    file_->begin_writing();
    file_->begin_writing();
    must(file_->seal()); // an fsync by somebody else
    EXPECT_EQ(file_->parity_state(), ParityState::open);
    must(file_->end_writing());
    EXPECT_EQ(file_->parity_state(), ParityState::open);
    damage(1, 1);
    must(file_->end_writing());
    EXPECT_EQ(file_->parity_state(), ParityState::current);
    EXPECT_TRUE(verify().clean());
}

TEST_F(ParityTest, ComesBackFromWhatAForerunnerLeft) {
    const Bytes written = write(0, 3 * MiB, 1);
    // The list as a journal tells it: the extents, and nothing beside them.
    ExtentList::Pieces pieces;
    for (const Keeper::Held &held : must(keeper_.list()))
        if (held.id == file_->extent_infos().front().id) pieces.emplace_back(must(storage_.adopt(held)));
    ASSERT_EQ(pieces.size(), 1U);
    std::shared_ptr<Extent> shown = pieces.front().extent;
    {
        File next(storage_, &simulation().device(), 0);
        VolumeState::Node node;
        node.size = 3 * MiB;
        node.protection = Protection::parity;
        next.restore(ExtentList(std::move(pieces)), node);
        EXPECT_EQ(next.parity_state(), ParityState::current);
        EXPECT_TRUE(must(next.check_parity(Mode::verify, 0, 3 * MiB)).clean());
    }
    shown->abandon(); // the file of before gives it back
}

// Parity is refused or given up where the driver fails, and never left wrong: what was acknowledged is what is read.
TEST_F(ParityTest, EveryFailingCallLeavesTheFileAsItWas) {
    const std::vector<std::function<Result<void>(File &)>> operations = {
        [](File &file) { return file.resize(copiers(), 9 * MiB); },
        [](File &file) { return file.resize(copiers(), 2 * MiB + 1); },
        [](File &file) { return file.write(copiers(), 3 * MiB - 10, pattern(2 * MiB, 4), File::By::call); },
        [](File &file) { return file.settle(copiers()); },
        [](File &file) { return file.seal(); },
    };
    unsigned long points = 0, failures = 0;
    for (const auto &operation : operations) {
        for (unsigned long call = 1;; ++call) {
            file_ = make_file();
            for (std::uint64_t at = 0; at < 3 * MiB; at += MiB) write(at, MiB, unsigned(at / MiB));
            must(file_->seal());
            simulation().plan_faults("*#" + std::to_string(call) + "=OUT_OF_MEMORY");
            const Result<void> result = operation(*file_);
            const bool was_reached = simulation().call_count() >= call;
            simulation().plan_faults("");
            if (!was_reached) break;
            ++points;
            if (!result) ++failures;
            if (file_->parity_state() == ParityState::open) must(file_->seal());
            ASSERT_EQ(file_->parity_state(), ParityState::current);
            // A write that failed leaves anything in its range, but parity fits that too.
            const BlockReport report = verify();
            ASSERT_TRUE(report.clean()) << "call " << call << ", block " << report.left_wrong.front();
            for (std::uint64_t at = 0; at < 2 * MiB; at += MiB) {
                const auto expected = pattern(MiB, unsigned(at / MiB));
                const Bytes copy(expected.begin(), expected.end());
                ASSERT_EQ(read(at, MiB), copy);
            }
        }
    }
    EXPECT_GT(failures, 20U);
    EXPECT_GT(points, 100U);
}

} // namespace
} // namespace gmemfs
