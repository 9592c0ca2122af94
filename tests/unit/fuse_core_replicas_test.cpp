// Unit tests: copies of a file on other devices.
#include "fuse/core/file/file.hpp"
#include "fuse/core/space/placement.hpp"
#include "tests/support/simulation.hpp"

#include <functional>
#include <vector>

namespace gmemfs {
namespace {

using test::code_of;
using test::must;
using Bytes = std::vector<std::byte>;

class ReplicasTest : public test::OnSimulation {
protected:
    ReplicasTest()
        : storage_(keeper_, simulation().devices(), {0, {}, true, &simulation().host()}),
          file_(storage_, &simulation().device(), 0) {
        for (const auto &device : simulation().devices()) all_.push_back(device.get());
    }

    void write(std::uint64_t offset, std::size_t size, unsigned seed) {
        must(file_.write(copiers(), offset, pattern(size, seed), File::By::call));
    }
    static Bytes bytes_of(std::size_t size, unsigned seed) {
        Bytes bytes(size);
        test::fill_with_pattern(bytes, seed);
        return bytes;
    }
    Bytes read(std::uint64_t offset, std::size_t size) {
        const auto to = simulation().buffer().bytes().first(size);
        const std::size_t count = must(file_.read(copiers(), offset, to, File::By::call));
        return Bytes(to.begin(), to.begin() + static_cast<std::ptrdiff_t>(count));
    }
    // What a peer sees that maps the copy on the second device.
    Bytes read_copy(std::size_t size) {
        std::vector<File::Shared> shared = must(file_.share_replica(*all_[1], File::ShareBy::fd));
        EXPECT_EQ(shared.size(), 1U);
        EXPECT_EQ(&shared.front().extent->device(), all_[1]);
        const auto to = simulation().buffer().bytes().first(size);
        must(copiers().wait_after(copiers().queue_read({shared.front().extent.get(), 0, size}, to.data())));
        return Bytes(to.begin(), to.end());
    }

    LocalKeeper keeper_{simulation().driver(), HandlePolicy::automatic};
    Storage storage_;
    File file_;
    std::vector<Device *> all_;
};

TEST_F(ReplicasTest, CopyHasTheBytesAndTakesMemory) {
    write(0, 3 * MiB + 5, 1);
    must(file_.replicate(copiers(), all_));
    EXPECT_EQ(file_.replica_devices(), std::vector<Device *>{all_[1]});
    EXPECT_EQ(read_copy(3 * MiB + 5), bytes_of(3 * MiB + 5, 1));
    EXPECT_EQ(file_.allocated(), 4 * MiB);
    EXPECT_EQ(storage_.space().used, 8 * MiB);
    must(file_.replicate(copiers(), all_)); // there is nothing to do
    must(file_.replicate(copiers(), {}));
    EXPECT_TRUE(file_.replica_devices().empty());
    EXPECT_EQ(storage_.space().used, 4 * MiB);
}

TEST_F(ReplicasTest, WhateverChangesBytesDropsThem) {
    const std::vector<std::function<void()>> changes = {
        [&] { write(100, 10, 2); },
        [&] { must(file_.resize(copiers(), 5 * MiB)); },
        [&] { must(file_.resize(copiers(), MiB)); },
        [&] { must(file_.punch(copiers(), 0, 100)); },
        [&] { must(file_.zero(copiers(), 0, 100)); },
        [&] { must(file_.copy_from(copiers(), file_, 0, 500000, 1000)); },
        [&] { must(file_.fabric_handles(copiers())); },
        [&] { must(file_.resize(copiers(), 0)); },
    };
    for (const std::function<void()> &change : changes) {
        if (file_.size() == 0 || file_.is_exported()) must(file_.resize(copiers(), 0));
        write(0, 2 * MiB, 1);
        must(file_.replicate(copiers(), all_));
        ASSERT_TRUE(file_.has_replicas());
        const std::uint64_t generation = file_.generation();
        change();
        EXPECT_FALSE(file_.has_replicas());
        EXPECT_NE(file_.generation(), generation);
        if (file_.is_exported()) break;
    }
}

TEST_F(ReplicasTest, FileThatPeersMayWriteToGetsNone) {
    write(0, 2 * MiB, 1);
    must(file_.replicate(copiers(), all_));
    file_.begin_writing();
    (void)must(file_.share(copiers(), File::ShareBy::fd));
    EXPECT_FALSE(file_.has_replicas());
    EXPECT_EQ(code_of(file_.replicate(copiers(), all_)), EBUSY);
    must(file_.end_writing());
    must(file_.replicate(copiers(), all_));
    EXPECT_TRUE(file_.has_replicas());
    (void)must(file_.share(copiers(), File::ShareBy::fd)); // for reading
    EXPECT_TRUE(file_.has_replicas());
}

TEST_F(ReplicasTest, MappedCopyKeepsItsBytes) {
    write(0, 2 * MiB, 1);
    must(file_.replicate(copiers(), all_));
    std::vector<File::Shared> held = must(file_.share_replica(*all_[1], File::ShareBy::fd));
    file_.lease_began();
    EXPECT_FALSE(file_.drop_replicas(File::Evict::unmapped)); // it would free nothing
    write(0, 2 * MiB, 2);
    const auto to = simulation().buffer().bytes().first(MiB);
    must(copiers().wait_after(copiers().queue_read({held.front().extent.get(), 0, MiB}, to.data())));
    EXPECT_EQ(Bytes(to.begin(), to.end()), bytes_of(MiB, 1));
    EXPECT_EQ(read(0, MiB), bytes_of(MiB, 2));
    must(file_.replicate(copiers(), all_));
    held = must(file_.share_replica(*all_[1], File::ShareBy::fd));
    file_.lease_ended();
    EXPECT_TRUE(file_.drop_replicas(File::Evict::unmapped)); // nobody has it mapped any more
}

TEST_F(ReplicasTest, NoRoomIsAnErrorAndNothingElse) {
    write(0, MiB, 1);
    must(file_.resize(copiers(), 140 * MiB)); // the second device has 128
    const std::uint64_t used = simulation().used();
    EXPECT_EQ(code_of(file_.replicate(copiers(), all_)), ENOSPC);
    EXPECT_EQ(simulation().used(), used);
    EXPECT_EQ(read(0, MiB), bytes_of(MiB, 1));
}

TEST_F(ReplicasTest, BlockBeyondRepairIsTakenFromACopy) {
    must(file_.set_protection(Protection::parity));
    write(0, 3 * MiB, 3);
    must(file_.replicate(copiers(), all_));
    for (const bool by_reading : {false, true}) {
        must(file_.damage(copiers(), 300000, 20000, 60000, 1)); // far more than parity mends
        ASSERT_TRUE(file_.has_replicas());
        if (by_reading) {
            const Bytes whole = bytes_of(3 * MiB, 3);
            EXPECT_EQ(read(256 * KiB, MiB), Bytes(whole.begin() + 256 * KiB, whole.begin() + 256 * KiB + MiB));
        } else {
            const BlockReport report = must(file_.check_parity(ParityMode::repair, 0, UINT64_MAX));
            EXPECT_TRUE(report.left_wrong.empty());
            EXPECT_GT(report.blocks_mended, 0U);
        }
        EXPECT_EQ(file_.parity_state(), ParityState::current);
        EXPECT_TRUE(must(file_.check_parity(ParityMode::verify, 0, UINT64_MAX)).clean());
        EXPECT_EQ(read(0, 3 * MiB), bytes_of(3 * MiB, 3));
        EXPECT_TRUE(file_.has_replicas());
    }
}

TEST_F(ReplicasTest, DamagedCopyMendsNothing) {
    must(file_.set_protection(Protection::parity));
    write(0, 3 * MiB, 3);
    must(file_.replicate(copiers(), all_));
    const std::vector<File::Shared> shared = must(file_.share_replica(*all_[1], File::ShareBy::fd));
    must(copiers().wait_after(copiers().queue_zero({shared.front().extent.get(), 300000, 4096})));
    must(file_.damage(copiers(), 300000, 20000, 60000, 1));
    const BlockReport report = must(file_.check_parity(ParityMode::repair, 0, UINT64_MAX));
    EXPECT_FALSE(report.left_wrong.empty());
    EXPECT_EQ(file_.parity_state(), ParityState::damaged);
}

TEST_F(ReplicasTest, FileOverSeveralDevicesHasNone) {
    File wide(storage_, must(read_placement(storage_, "spread")), 0);
    must(wide.resize(copiers(), 8 * MiB));
    EXPECT_EQ(code_of(wide.replicate(copiers(), all_)), EOPNOTSUPP);
}

} // namespace
} // namespace gmemfs
