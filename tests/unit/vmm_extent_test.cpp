// Unit tests: extents, the list of them, and the copier, on the simulator.
#include "tests/support/simulation.hpp"
#include "vmm/base/cache.hpp"
#include "vmm/memory/extent_list.hpp"

#include <algorithm>
#include <cstring>
#include <vector>

namespace gmemfs {
namespace {

using test::code_of;
using test::must;

class ExtentTest : public test::OnSimulation {
protected:
    std::shared_ptr<Extent> make(std::uint64_t size) {
        return must(Extent::create(keeper_, simulation().device(), size));
    }
    Copier &copier() { return copiers().of(simulation().device()); }

    LocalKeeper keeper_{simulation().driver(), HandlePolicy::automatic};
};

TEST_F(ExtentTest, SizeIsRoundedUpToTheGranularity) {
    EXPECT_EQ(make(1)->size(), 2 * MiB);
    EXPECT_EQ(make(2 * MiB + 1)->size(), 4 * MiB);
}

TEST_F(ExtentTest, MemoryComesBackWhenItDies) {
    const std::uint64_t before = simulation().used();
    auto extent = make(10 * MiB);
    EXPECT_EQ(simulation().used(), before + 10 * MiB);
    EXPECT_EQ(keeper_.count(), 1U);
    extent.reset();
    EXPECT_EQ(simulation().used(), before);
    EXPECT_EQ(keeper_.count(), 0U);
}

TEST_F(ExtentTest, MoreThanTheDeviceHasIsNoSpace) {
    const auto extent = Extent::create(keeper_, simulation().device(), TiB);
    ASSERT_FALSE(extent);
    EXPECT_EQ(extent.error().code, ENOSPC);
    EXPECT_EQ(extent.error().driver, CUDA_ERROR_OUT_OF_MEMORY);
}

TEST_F(ExtentTest, FailureToMapGivesTheMemoryBack) {
    for (const char *call : {"cuMemAddressReserve", "cuMemMap", "cuMemSetAccess"}) {
        simulation().plan_faults(std::string(call) + "#1=OUT_OF_MEMORY");
        EXPECT_FALSE(Extent::create(keeper_, simulation().device(), MiB)) << call;
        EXPECT_EQ(keeper_.count(), 0U) << call;
    }
}

TEST_F(ExtentTest, ExportMarksItAndKeepsTheHandle) {
    const auto extent = make(MiB);
    EXPECT_FALSE(extent->is_exported());
    const FabricHandle first = must(extent->export_fabric());
    EXPECT_TRUE(extent->is_exported());
    EXPECT_EQ(first, must(extent->export_fabric()));
}

TEST_F(ExtentTest, WithoutFabricTheDescriptorIsLeft) {
    LocalKeeper keeper(simulation().driver(), HandlePolicy::fd);
    const auto extent = must(Extent::create(keeper, simulation().device(), MiB));
    EXPECT_FALSE(extent->has_fabric());
    EXPECT_EQ(code_of(extent->export_fabric()), ENOTSUP);
    EXPECT_FALSE(extent->is_exported());
    EXPECT_TRUE(must(extent->export_fd()));
    EXPECT_TRUE(extent->is_exported());
}

TEST_F(ExtentTest, BytesComeBackAsTheyWere) {
    const auto extent = make(4 * MiB);
    const auto written = pattern(3 * MiB, 1);
    const std::vector<std::byte> expected(written.begin(), written.end());
    must(copier().queue_write({extent.get(), 12345, written.size()}, written.data()));
    must(copier().wait());
    std::memset(written.data(), 0, written.size());
    must(copier().queue_read({extent.get(), 12345, written.size()}, written.data()));
    must(copier().wait());
    EXPECT_EQ(std::memcmp(written.data(), expected.data(), expected.size()), 0);
}

TEST_F(ExtentTest, PageableMemoryGoesThroughStagingInManyChunks) {
    const auto extent = make(40 * MiB);
    std::vector<std::byte> expected(37 * MiB + 11); // more chunks than slots, and a piece
    for (std::size_t at = 0; at < expected.size(); ++at) expected[at] = static_cast<std::byte>(at * 31 >> 7);
    must(copier().write({extent.get(), 5, expected.size()}, expected));
    std::vector<std::byte> found(expected.size());
    must(copier().read({extent.get(), 5, found.size()}, found));
    EXPECT_TRUE(found == expected);
}

TEST_F(ExtentTest, AFailedChunkIsAnErrorAndLeavesTheCopierUsable) {
    const auto extent = make(40 * MiB);
    std::vector<std::byte> bytes(40 * MiB);
    simulation().plan_faults("cuMemcpyHtoDAsync#3=NOT_PERMITTED");
    EXPECT_EQ(code_of(copier().write({extent.get(), 0, bytes.size()}, bytes)), EPERM);
    simulation().plan_faults("cuMemcpyDtoHAsync#3=NOT_PERMITTED");
    EXPECT_EQ(code_of(copier().read({extent.get(), 0, bytes.size()}, bytes)), EPERM);
    simulation().plan_faults("");
    EXPECT_TRUE(copier().write({extent.get(), 0, bytes.size()}, bytes));
}

TEST_F(ExtentTest, TheBusIsCrowdedWhileThreeOthersHaveALargeCopyUnderWay) {
    const auto extent = make(4 * MiB);
    const auto bytes = pattern(MiB, 1);
    const auto queue = [&](Copier &copier, std::size_t size) {
        must(copier.queue_write({extent.get(), 0, size}, bytes.data()));
    };
    std::vector<Copier> others;
    for (int index = 0; index < 3; ++index) {
        EXPECT_FALSE(copier().is_bus_crowded()) << index;
        others.push_back(must(Copier::create(simulation().device()))); // moves those before
        queue(others.back(), 4096);
        EXPECT_FALSE(copier().is_bus_crowded()) << index;
        queue(others.back(), bytes.size());
        queue(others.back(), bytes.size());
    }
    EXPECT_TRUE(copier().is_bus_crowded());
    queue(copier(), bytes.size());
    EXPECT_TRUE(copier().is_bus_crowded());
    must(others.front().wait());
    EXPECT_FALSE(copier().is_bus_crowded());
    EXPECT_TRUE(others.front().is_bus_crowded()); // the two others, and ours
    others.clear();
    must(copier().wait());
    EXPECT_EQ(simulation().device().busy_copiers(), 0);
}

TEST_F(ExtentTest, DemotingChangesNoByte) {
    const auto bytes = pattern(MiB + 5, 7);
    const std::vector<std::byte> expected(bytes.begin(), bytes.end());
    demote(bytes);
    EXPECT_TRUE(std::equal(bytes.begin(), bytes.end(), expected.begin()));
}

TEST_F(ExtentTest, ListSplitsARangeAtExtentBoundaries) {
    const ExtentList list({make(2 * MiB), make(4 * MiB), make(2 * MiB)});
    EXPECT_EQ(list.size(), 8 * MiB);
    EXPECT_EQ(list.offset(2), 6 * MiB);
    std::vector<std::array<std::uint64_t, 3>> seen;
    must(list.for_each(MiB, 6 * MiB, [&](Slice slice, std::uint64_t done) -> Result<void> {
        seen.push_back({slice.offset, slice.length, done});
        return {};
    }));
    const std::vector<std::array<std::uint64_t, 3>> expected = {{MiB, MiB, 0}, {0, 4 * MiB, MiB}, {0, MiB, 5 * MiB}};
    EXPECT_EQ(seen, expected);
}

TEST_F(ExtentTest, ListVisitsNothingForAnEmptyRange) {
    const ExtentList list({make(2 * MiB)});
    for (const std::uint64_t offset : {std::uint64_t(0), MiB, 2 * MiB})
        must(list.for_each(offset, 0, [](Slice, std::uint64_t) -> Result<void> { return Error{EIO, 0, "visited"}; }));
}

TEST_F(ExtentTest, ListCutsOnlyWholeExtents) {
    const ExtentList list({make(2 * MiB), make(4 * MiB), make(2 * MiB)});
    EXPECT_EQ(list.cut_to(6 * MiB + 1).count(), 3U);
    EXPECT_EQ(list.cut_to(6 * MiB).count(), 2U);
    EXPECT_EQ(list.cut_to(1).count(), 1U);
    EXPECT_EQ(list.cut_to(0).count(), 0U);
}

} // namespace
} // namespace gmemfs
