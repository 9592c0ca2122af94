// Unit tests: placements as text, and files over several devices.
#include "fuse/core/file/file.hpp"
#include "fuse/core/space/placement.hpp"
#include "tests/support/simulation.hpp"

#include <string>
#include <vector>

namespace gmemfs {
namespace {

using test::code_of;
using test::must;
using Bytes = std::vector<std::byte>;

class PlacementTest : public test::OnSimulation {
protected:
    PlacementTest() : storage_(keeper_, simulation().devices(), {0, {}, false, &simulation().host()}) {}

    std::string again(const std::string &text) {
        return must(placement_text(storage_, must(read_placement(storage_, text))));
    }
    File file(const std::string &placement) { return File(storage_, must(read_placement(storage_, placement)), 0); }
    // "0:6 1:6": device and MiB of each extent.
    static std::string extents(const File &file) {
        std::string text;
        for (const File::ExtentInfo &info : file.extent_infos()) {
            const bool is_first = info.device == simulation().device().info().uuid_text();
            const bool is_second = info.device == simulation().devices()[1]->info().uuid_text();
            text += (text.empty() ? "" : " ") +
                    std::string(is_first    ? "0"
                                : is_second ? "1"
                                            : "host") +
                    ":" + std::to_string(info.length / MiB);
        }
        return text;
    }
    void write(File &file, std::uint64_t offset, std::size_t size, unsigned seed) {
        must(file.write(copiers(), offset, pattern(size, seed), File::By::call));
    }
    static Bytes bytes_of(std::size_t size, unsigned seed) {
        Bytes bytes(size);
        test::fill_with_pattern(bytes, seed);
        return bytes;
    }
    Bytes read(File &file, std::uint64_t offset, std::size_t size) {
        const auto to = simulation().buffer().bytes().first(size);
        const std::size_t count = must(file.read(copiers(), offset, to, File::By::call));
        return Bytes(to.begin(), to.begin() + static_cast<std::ptrdiff_t>(count));
    }

    LocalKeeper keeper_{simulation().driver(), HandlePolicy::automatic};
    Storage storage_;
};

TEST_F(PlacementTest, TextIsReadAndToldTheSame) {
    for (const char *text : {"auto", "spread:0-1", "spread:1,0", "interleave:64M:0-1", "interleave:1G:1,0", "host"})
        EXPECT_EQ(again(text), text);
    EXPECT_EQ(again("spread"), "spread:0-1");
    EXPECT_EQ(again("interleave:32M"), "interleave:32M:0-1");
    const std::string uuid = simulation().devices()[1]->info().uuid_text();
    EXPECT_EQ(again("spread:1," + simulation().device().info().uuid_text()), "spread:1,0");
    EXPECT_EQ(again("1"), uuid);
    EXPECT_EQ(again("spread:1"), uuid); // over one device: it lives there
    EXPECT_EQ(again("interleave:64M:1"), uuid);
}

TEST_F(PlacementTest, WhatIsNoPlacementIsRefused) {
    for (const char *text : {"", "2", "spread:", "spread:0-2", "spread:1-0", "spread:0,0", "spread:0-", "spread:,",
             "spread:host", "spread:0-99999999999", "interleave", "interleave:", "interleave:0-1",
             "interleave:64M:", "interleave:16M:0-1", "interleave:0:0-1", "interleave:33M:0-1", "interleave:9999999T",
             "spreads:0-1", "auto:0"})
        EXPECT_EQ(code_of(read_placement(storage_, text)), EINVAL) << text;
}

TEST_F(PlacementTest, PartsDependOnGranulesAndCoverTheFile) {
    const Placement spread = must(read_placement(storage_, "spread"));
    for (const std::uint64_t size : {std::uint64_t(1), 2 * MiB, 2 * MiB + 1, 6 * MiB, 7 * MiB + 13, 100 * MiB}) {
        const std::vector<Placement::Part> parts = spread.parts(size);
        EXPECT_EQ(parts.size(), spread.part_count(size));
        std::uint64_t end = 0;
        for (const Placement::Part &part : parts) {
            EXPECT_EQ(part.offset, end);
            EXPECT_EQ(part.offset % (2 * MiB), 0U);
            end += part.length;
        }
        EXPECT_EQ(end, size);
        EXPECT_EQ(spread.parts(round_up(size, 2 * MiB)).front().length % (2 * MiB), 0U);
    }
    EXPECT_EQ(spread.part_count(0), 0U);
    const Placement interleaved = must(read_placement(storage_, "interleave:32M"));
    EXPECT_EQ(interleaved.part_count(100 * MiB), 4U);
    EXPECT_EQ(interleaved.parts(100 * MiB)[3].device, simulation().devices()[1].get());
    EXPECT_EQ(interleaved.parts(100 * MiB)[3].length, 4 * MiB);
}

TEST_F(PlacementTest, SpreadFileHasAnExtentOnEachDevice) {
    File made = file("spread:0-1");
    must(made.resize(copiers(), 11 * MiB));
    EXPECT_EQ(extents(made), "0:6 1:6");
    write(made, 5 * MiB, 2 * MiB, 1); // over the seam
    EXPECT_EQ(read(made, 5 * MiB, 2 * MiB), bytes_of(2 * MiB, 1));
    must(made.resize(copiers(), 20 * MiB));
    EXPECT_EQ(extents(made), "0:10 1:10");
    EXPECT_EQ(read(made, 5 * MiB, 2 * MiB), bytes_of(2 * MiB, 1));
    EXPECT_EQ(read(made, 11 * MiB, 8 * MiB), Bytes(8 * MiB));
    must(made.resize(copiers(), 6 * MiB));
    EXPECT_EQ(extents(made), "0:4 1:2");
    EXPECT_EQ(read(made, 5 * MiB, 2 * MiB).size(), MiB);
    must(made.resize(copiers(), 1));
    EXPECT_EQ(extents(made), "0:2");
}

TEST_F(PlacementTest, InterleavedFileTakesTurns) {
    File made = file("interleave:32M:1,0");
    must(made.resize(copiers(), 100 * MiB));
    EXPECT_EQ(extents(made), "1:32 0:32 1:32 0:4");
    write(made, 31 * MiB, 2 * MiB, 1);
    must(made.resize(copiers(), 70 * MiB));
    EXPECT_EQ(extents(made), "1:32 0:32 1:6");
    EXPECT_EQ(read(made, 31 * MiB, 2 * MiB), bytes_of(2 * MiB, 1));
}

TEST_F(PlacementTest, WritingEndsInTheSameLayout) {
    for (const std::string &placement : {std::string("spread:0-1"), std::string("interleave:32M:0-1")}) {
        File made = file(placement);
        for (std::uint64_t at = 0; at < 70 * MiB; at += MiB) write(made, at, MiB, static_cast<unsigned>(at / MiB));
        must(made.settle(copiers()));
        EXPECT_EQ(extents(made), placement.starts_with("spread") ? "0:36 1:34" : "0:32 1:32 0:6");
        EXPECT_FALSE(made.is_loose());
        for (std::uint64_t at = 0; at < 70 * MiB; at += MiB)
            EXPECT_EQ(read(made, at, MiB), bytes_of(MiB, static_cast<unsigned>(at / MiB))) << at;
    }
}

TEST_F(PlacementTest, FullDeviceOfASpreadTakesNothing) {
    File made = file("spread:0-1");
    must(made.resize(copiers(), 8 * MiB));
    const std::uint64_t used = simulation().used();
    EXPECT_EQ(code_of(made.resize(copiers(), 300 * MiB)), ENOSPC); // the second device has 128 MiB
    EXPECT_EQ(simulation().used(), used);
    EXPECT_EQ(extents(made), "0:4 1:4");
    EXPECT_EQ(made.size(), 8 * MiB);
}

TEST_F(PlacementTest, ExportedFileGrowsBesideWhatPeersHave) {
    File made = file("spread:0-1");
    must(made.resize(copiers(), 8 * MiB));
    EXPECT_EQ(must(made.fabric_handles(copiers())).size(), 2U);
    must(made.resize(copiers(), 16 * MiB));
    EXPECT_EQ(extents(made), "0:4 1:4 1:8"); // what a file of 16 MiB has there is on the second device
}

TEST_F(PlacementTest, DigestIsThatOfTheBytes) {
    File spread = file("spread:0-1"), interleaved = file("interleave:32M:0-1"), one = file("0");
    for (File *const each : {&spread, &interleaved, &one}) {
        must(each->resize(copiers(), 67 * MiB + 5));
        write(*each, 30 * MiB, 8 * MiB, 7);
    }
    const Digest expected = must(one.digest(copiers()));
    EXPECT_EQ(must(spread.digest(copiers())), expected);
    EXPECT_EQ(must(interleaved.digest(copiers())), expected);
}

TEST_F(PlacementTest, ColdSpreadFileComesBackToItsDevices) {
    File made = file("spread:0-1");
    write(made, 0, 8 * MiB, 7);
    must(made.resize(copiers(), 40 * MiB));
    const Digest digest = must(made.digest(copiers()));
    EXPECT_EQ(must(made.pack(copiers(), PackBy::own)), File::PackOutcome::packed);
    EXPECT_EQ(read(made, 0, 8 * MiB), bytes_of(8 * MiB, 7));
    must(made.wake(copiers()));
    EXPECT_EQ(extents(made), "0:20 1:20");
    EXPECT_EQ(must(made.digest(copiers())), digest);
    EXPECT_EQ(must(made.offload(copiers(), File::Form::as_they_are, PackBy::own)), File::OffloadOutcome::moved);
    EXPECT_EQ(extents(made), "host:40");
    must(made.wake(copiers()));
    EXPECT_EQ(extents(made), "0:20 1:20");
    EXPECT_EQ(read(made, 0, 8 * MiB), bytes_of(8 * MiB, 7));
}

TEST_F(PlacementTest, ParityFollowsOverTheSeam) {
    File made = file("spread:0-1");
    must(made.set_protection(Protection::parity));
    must(made.resize(copiers(), 8 * MiB));
    write(made, 3 * MiB, 2 * MiB, 3);
    must(made.damage(copiers(), 3 * MiB, 2 * MiB, 6, 1));
    const BlockReport report = must(made.check_parity(ParityMode::repair, 0, UINT64_MAX));
    EXPECT_GT(report.blocks_wrong, 0U);
    EXPECT_TRUE(report.left_wrong.empty());
    EXPECT_EQ(read(made, 3 * MiB, 2 * MiB), bytes_of(2 * MiB, 3));
}

TEST_F(PlacementTest, AutomaticFileIsSpreadWhereOneDeviceIsTooSmall) {
    File small = file("auto"), large = file("auto");
    must(small.resize(copiers(), 8 * MiB));
    EXPECT_EQ(extents(small), "0:8");
    must(large.resize(copiers(), 252 * MiB));
    EXPECT_EQ(extents(large), "0:126 1:126");
}

} // namespace
} // namespace gmemfs
