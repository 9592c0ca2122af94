// Unit tests: slots of shared extents, and how small files come and leave.
#include "fuse/core/space/slab.hpp"
#include "tests/support/simulation.hpp"

#include <algorithm>
#include <vector>

namespace gmemfs {
namespace {

using test::code_of;
using test::must;
using Bytes = std::vector<std::byte>;

class SlabTest : public test::OnSimulation {
protected:
    std::unique_ptr<File> make_file(uid_t owner = 0) {
        return std::make_unique<File>(storage_, &simulation().device(), owner);
    }
    Bytes write(File &file, std::uint64_t offset, std::size_t size, unsigned seed) {
        const auto bytes = pattern(size, seed);
        Bytes copy(bytes.begin(), bytes.end());
        must(file.write(copiers(), offset, bytes, File::By::call));
        return copy;
    }
    Bytes read(File &file, std::uint64_t offset, std::size_t size) {
        const auto to = simulation().buffer().bytes().first(size);
        const std::size_t count = must(file.read(copiers(), offset, to, File::By::call));
        return Bytes(to.begin(), to.begin() + static_cast<std::ptrdiff_t>(count));
    }

    LocalKeeper keeper_{simulation().driver(), HandlePolicy::automatic};
    Storage storage_{keeper_, simulation().devices(), {64 * MiB, {{1000, 3 * MiB}}}};
};

TEST_F(SlabTest, SmallFilesShareAnExtent) {
    std::vector<std::unique_ptr<File>> files;
    std::vector<Bytes> written;
    for (unsigned index = 0; index < 512; ++index) {
        files.push_back(make_file());
        written.push_back(write(*files.back(), 0, 1 + index * 8, index));
        ASSERT_EQ(files.back()->allocated(), kSlotMin);
    }
    EXPECT_EQ(storage_.space().used, 2 * MiB);
    for (unsigned index = 0; index < 512; ++index) ASSERT_EQ(read(*files[index], 0, 4096), written[index]) << index;
    files.push_back(make_file());
    write(*files.back(), 0, 1, 1);
    EXPECT_EQ(storage_.space().used, 4 * MiB);
    files.clear();
    EXPECT_EQ(storage_.space().used, 0U);
}

TEST_F(SlabTest, AGrowingFileMovesToLargerSlotsAndThenToAnExtent) {
    const auto file = make_file();
    Bytes all;
    for (unsigned step = 0; all.size() < 600 * KiB; ++step) {
        const Bytes part = write(*file, all.size(), 3000 + step, step);
        all.insert(all.end(), part.begin(), part.end());
        ASSERT_EQ(file->extent_infos().front().is_shared, all.size() <= kSlotMax);
        ASSERT_LE(file->allocated(), std::max<std::uint64_t>(2 * all.size(), 2 * MiB));
    }
    EXPECT_EQ(read(*file, 0, MiB), all);
    EXPECT_EQ(file->allocated(), 2 * MiB);
    EXPECT_EQ(storage_.space().shared.slots, 0U);
}

TEST_F(SlabTest, AUsedSlotIsCleared) {
    write(*make_file(), 0, 4096, 7); // and the file is gone
    const auto file = make_file();
    write(*file, 4000, 1, 1);
    EXPECT_EQ(read(*file, 0, 4000), Bytes(4000));
    write(*file, 0, 4096, 2);
    must(file->resize(copiers(), 10)); // what is cut off must not come back
    write(*file, 4095, 1, 3);
    EXPECT_EQ(read(*file, 10, 4085), Bytes(4085));
}

TEST_F(SlabTest, AHandleMovesTheFileToAnExtentOfItsOwn) {
    const auto file = make_file();
    const auto neighbour = make_file();
    const Bytes bytes = write(*file, 0, 5000, 1);
    const Bytes others = write(*neighbour, 0, 5000, 2);
    EXPECT_EQ(file->mappable(), 2 * MiB); // before and after
    EXPECT_EQ(must(file->fabric_handles(copiers())).size(), 1U);
    EXPECT_EQ(file->mappable(), 2 * MiB);
    EXPECT_EQ(file->allocated(), 2 * MiB);
    EXPECT_FALSE(file->extent_infos().front().is_shared);
    EXPECT_EQ(read(*file, 0, 8192), bytes);
    EXPECT_EQ(read(*neighbour, 0, 8192), others);
}

TEST_F(SlabTest, TruncateAndAllocateMakeAnExtentButShrinkingStays) {
    for (const bool is_truncated : {true, false}) {
        const auto file = make_file();
        const Bytes bytes = write(*file, 0, 5000, 1);
        must(file->resize(copiers(), 4000));
        EXPECT_EQ(file->allocated(), 8 * KiB);
        if (is_truncated)
            must(file->resize(copiers(), 4001));
        else
            must(file->allocate(copiers(), 0, 10, File::SizeMode::keep));
        EXPECT_EQ(file->allocated(), 2 * MiB);
        EXPECT_EQ(read(*file, 0, 4000), Bytes(bytes.begin(), bytes.begin() + 4000));
    }
}

TEST_F(SlabTest, NoRoomLeavesTheFileAsItWas) {
    const auto large = make_file();
    must(large->resize(copiers(), 62 * MiB));
    const auto small = make_file();
    const Bytes bytes = write(*small, 0, 300 * KiB, 1); // the last 2 MiB of the capacity
    const auto from = pattern(MiB, 2);
    EXPECT_EQ(code_of(small->write(copiers(), 300 * KiB, from, File::By::call)), ENOSPC);
    EXPECT_EQ(code_of(small->fabric_handles(copiers())), ENOSPC);
    EXPECT_EQ(read(*small, 0, MiB), bytes);
    write(*make_file(), 0, 400 * KiB, 3); // a neighbour still has room
}

TEST_F(SlabTest, TheReserveGivesWayToAFile) {
    write(*make_file(), 0, 10, 1); // leaves an empty chunk in reserve
    const auto file = make_file();
    must(file->resize(copiers(), 64 * MiB)); // the whole capacity
    EXPECT_EQ(file->allocated(), 64 * MiB);
    EXPECT_EQ(storage_.space().available, 0U);
}

TEST_F(SlabTest, AFailedClearGivesTheSlotBack) {
    write(*make_file(), 0, 4096, 7);
    const auto file = make_file();
    simulation().plan_faults("cuMemsetD8Async#1=NOT_PERMITTED");
    EXPECT_EQ(code_of(file->write(copiers(), 0, pattern(10, 1), File::By::call)), EPERM);
    simulation().plan_faults("");
    EXPECT_EQ(file->allocated(), 0U);
    EXPECT_EQ(storage_.space().used, 0U);
    write(*file, 5, 10, 1);
    EXPECT_EQ(read(*file, 0, 5), Bytes(5));
}

TEST_F(SlabTest, QuotaIsALimitToTheByteAndNothingIsLost) {
    const auto file = make_file(1000);
    const Bytes bytes = write(*file, 0, 100, 1);
    const auto used = [&] { return storage_.quotas().report().at(1000).used; };
    EXPECT_EQ(used(), kSlotMin);
    EXPECT_EQ(code_of(file->resize(copiers(), 3 * MiB)), EDQUOT); // 4 MiB of extents
    EXPECT_EQ(used(), kSlotMin);
    EXPECT_EQ(read(*file, 0, 200), bytes);
    must(file->resize(copiers(), 2 * MiB));
    EXPECT_EQ(used(), 2 * MiB);
    const auto second = make_file(1000);
    EXPECT_EQ(code_of(second->resize(copiers(), 1)), EDQUOT);
    write(*second, 0, 512 * KiB, 1);
    EXPECT_EQ(used(), 2 * MiB + 512 * KiB);
    EXPECT_EQ(code_of(second->write(copiers(), 512 * KiB, pattern(1, 1), File::By::call)), EDQUOT);
    EXPECT_EQ(used(), 2 * MiB + 512 * KiB);
    must(second->set_owner(0));
    EXPECT_EQ(used(), 2 * MiB);
    must(second->resize(copiers(), 10 * MiB));
    EXPECT_EQ(code_of(second->set_owner(1000)), EDQUOT);
    must(file->resize(copiers(), 0));
    EXPECT_EQ(used(), 0U);
}

} // namespace
} // namespace gmemfs
