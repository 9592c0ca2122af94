// Unit tests: files in host memory, packed or as they are, and files that live there.
#include "tests/support/cold_files.hpp"

#include <algorithm>
#include <random>

namespace gmemfs {
namespace {

using test::Bytes;
using test::code_of;
using test::must;
using test::noise;
using test::weights;
using Form = File::Form;
using Outcome = File::OffloadOutcome;

class HostTest : public test::ColdTest {
protected:
    // Extents of 2 MiB, so that images lie in several.
    explicit HostTest(std::uint64_t capacity = 0, std::uint64_t host_capacity = 64 * MiB)
        : ColdTest({.capacity = capacity,
              .host = &simulation().host(),
              .host_capacity = host_capacity,
              .host_extent = 2 * MiB}) {}

    std::unique_ptr<File> offloaded(const Bytes &bytes, Form form, Protection protection = Protection::none) {
        auto file = with(bytes, protection);
        EXPECT_EQ(must(file->offload(copiers(), form, PackBy::own)), Outcome::moved);
        EXPECT_TRUE(file->is_offloaded());
        return file;
    }
    std::uint64_t used_of_host() const { return storage_.host_space().used - storage_.host_space().reserve; }
};

TEST_F(HostTest, BytesMoveAsTheyAreAndComeBack) {
    const Bytes bytes = weights(7 * MiB + 12345, 1);
    const auto file = with(bytes);
    const std::uint64_t used = storage_.space().used, generation = file->generation();
    EXPECT_EQ(must(file->offload(copiers(), Form::as_they_are, PackBy::own)), Outcome::moved);
    EXPECT_EQ(file->residence(), Residence::plain);
    EXPECT_EQ(storage_.space().used, used - 8 * MiB) << "the device's";
    EXPECT_EQ(used_of_host(), 8 * MiB);
    EXPECT_EQ(file->allocated(), 8 * MiB);
    EXPECT_EQ(file->extent_infos().size(), 4U);
    EXPECT_EQ(file->extent_infos().front().device, "host");
    EXPECT_EQ(file->placement().home, &simulation().device()) << "where it lives";
    EXPECT_NE(file->generation(), generation);
    EXPECT_EQ(storage_.in_host().sums().files, 1U);
    EXPECT_TRUE(all_of(*file) == bytes);
    EXPECT_TRUE(file->is_offloaded()) << "reading wakes nothing";
    EXPECT_EQ(must(file->offload(copiers(), Form::as_they_are, PackBy::own)), Outcome::kept);
    must(file->wake(copiers()));
    EXPECT_FALSE(file->is_cold());
    EXPECT_EQ(used_of_host(), 0U);
    EXPECT_EQ(storage_.in_host().sums().files, 0U);
    EXPECT_EQ(file->extent_infos().size(), 1U);
    EXPECT_TRUE(all_of(*file) == bytes);
}

TEST_F(HostTest, AnImageLiesInSeveralExtentsAndEveryRangeReadsAsBefore) {
    const Bytes bytes = weights(9 * MiB + 77, 2);
    const auto file = offloaded(bytes, Form::packed);
    EXPECT_EQ(file->residence(), Residence::packed);
    EXPECT_EQ(file->extent_infos().size(), 4U) << "9 MiB at 1.4";
    EXPECT_EQ(used_of_host(), 8 * MiB);
    EXPECT_EQ(file->mappable(), 10 * MiB);
    std::mt19937 random(3);
    const auto check = [&](std::size_t from, std::size_t size) {
        const std::size_t end = std::min(bytes.size(), from + size);
        const Bytes expected(
            bytes.begin() + static_cast<std::ptrdiff_t>(from), bytes.begin() + static_cast<std::ptrdiff_t>(end));
        ASSERT_EQ(read(*file, from, size), expected) << size << " at " << from;
    };
    check(0, 1);
    check(bytes.size() - 5, 100);
    for (int round = 0; round < 20; ++round) check(random() % bytes.size(), random() % (3 * MiB));
    EXPECT_TRUE(file->is_offloaded());
    must(file->wake(copiers()));
    EXPECT_FALSE(file->is_cold());
    EXPECT_TRUE(all_of(*file) == bytes);
}

// 40 MiB take more than one turn of both windows.
TEST_F(HostTest, LongFilesGoThroughTheWindows) {
    Bytes bytes = weights(40 * MiB, 4);
    std::fill_n(bytes.begin() + 5 * MiB, 3 * MiB, std::byte(0)); // chunks that take nothing
    const Bytes random = noise(2 * MiB + 300);                   // and some that take all
    std::copy(random.begin(), random.end(), bytes.begin() + 20 * MiB);
    const auto file = offloaded(bytes, Form::packed);
    EXPECT_EQ(file->residence(), Residence::packed);
    EXPECT_TRUE(all_of(*file) == bytes);
    const Digest digest = must(file->digest(copiers())); // wakes it, because nobody has asked before
    EXPECT_EQ(must(with(bytes)->digest(copiers())), digest);
    EXPECT_TRUE(all_of(*file) == bytes);
}

TEST_F(HostTest, APackedFileMovesAsItIsAndAPlainOneInTheHostIsPackedThere) {
    const Bytes bytes = weights(8 * MiB, 5);
    const auto file = with(bytes);
    must(file->pack(copiers(), PackBy::own));
    EXPECT_EQ(must(file->offload(copiers(), Form::as_they_are, PackBy::own)), Outcome::moved);
    EXPECT_EQ(file->residence(), Residence::packed);
    EXPECT_TRUE(all_of(*file) == bytes);
    must(file->wake(copiers()));
    EXPECT_TRUE(all_of(*file) == bytes);
    must(file->offload(copiers(), Form::as_they_are, PackBy::own));
    EXPECT_EQ(must(file->pack(copiers(), PackBy::own)), File::PackOutcome::packed);
    EXPECT_TRUE(file->is_offloaded());
    EXPECT_EQ(file->residence(), Residence::packed);
    EXPECT_TRUE(all_of(*file) == bytes);
}

TEST_F(HostTest, WhatNeedsTheBytesOnTheDeviceWakesTheFile) {
    for (const Form form : {Form::as_they_are, Form::packed}) {
        Bytes bytes = weights(8 * MiB, 6);
        const auto file = offloaded(bytes, form);
        const Bytes patch = noise(1000);
        write(*file, MiB + 3, patch);
        std::copy(patch.begin(), patch.end(), bytes.begin() + MiB + 3);
        EXPECT_FALSE(file->is_cold());
        EXPECT_TRUE(all_of(*file) == bytes);
        must(file->offload(copiers(), form, PackBy::own));
        must(file->punch(copiers(), 100, MiB));
        std::fill_n(bytes.begin() + 100, MiB, std::byte(0));
        EXPECT_FALSE(file->is_cold());
        must(file->offload(copiers(), form, PackBy::own));
        must(file->resize(copiers(), 9 * MiB));
        bytes.resize(9 * MiB);
        EXPECT_TRUE(all_of(*file) == bytes);
        must(file->offload(copiers(), form, PackBy::own));
        EXPECT_EQ(must(file->share(copiers(), File::ShareBy::fd)).size(), 1U);
        EXPECT_FALSE(file->is_cold());
        EXPECT_EQ(used_of_host(), 0U);
        EXPECT_TRUE(all_of(*file) == bytes);
    }
}

TEST_F(HostTest, CopiesReadWhereTheBytesAre) {
    const Bytes bytes = weights(6 * MiB, 7);
    for (const Form form : {Form::as_they_are, Form::packed}) {
        const auto source = offloaded(bytes, form);
        const auto target = make(simulation().device());
        EXPECT_EQ(must(target->copy_from(copiers(), *source, 0, 0, bytes.size())), bytes.size());
        EXPECT_TRUE(source->is_offloaded());
        EXPECT_TRUE(all_of(*target) == bytes);
    }
}

TEST_F(HostTest, TruncatedToNothingNeedsNoWaking) {
    const auto file = offloaded(weights(8 * MiB, 8), Form::packed);
    must(file->resize(copiers(), 0));
    EXPECT_FALSE(file->is_cold());
    EXPECT_EQ(used_of_host(), 0U);
    write(*file, 0, noise(100));
    EXPECT_EQ(file->placement().home, &simulation().device());
}

TEST_F(HostTest, ParityGoesAlong) {
    const Bytes bytes = weights(8 * MiB, 9);
    for (const Form form : {Form::as_they_are, Form::packed}) {
        const auto file = offloaded(bytes, form, Protection::parity);
        EXPECT_EQ(must(file->check_parity(ParityMode::verify, 0, UINT64_MAX)).blocks_wrong, 0U);
        must(file->damage(copiers(), 3 * MiB, MiB, 5, 1));
        EXPECT_GT(must(file->check_parity(ParityMode::verify, 0, UINT64_MAX)).blocks_wrong, 0U);
        EXPECT_TRUE(must(file->check_parity(ParityMode::repair, 0, UINT64_MAX)).left_wrong.empty());
        EXPECT_TRUE(all_of(*file) == bytes);
        must(file->wake(copiers()));
        EXPECT_EQ(must(file->check_parity(ParityMode::verify, 0, UINT64_MAX)).blocks_wrong, 0U);
        EXPECT_TRUE(all_of(*file) == bytes);
    }
}

TEST_F(HostTest, NoiseMovesAsItIs) {
    const Bytes bytes = noise(6 * MiB);
    const auto file = offloaded(bytes, Form::packed);
    EXPECT_EQ(file->residence(), Residence::plain);
    EXPECT_TRUE(all_of(*file) == bytes);
    EXPECT_EQ(must(file->offload(copiers(), Form::packed, PackBy::own)), Outcome::kept);
}

TEST_F(HostTest, WhoMayHaveItMappedKeepsItWhereItIs) {
    const auto file = with(weights(6 * MiB, 10));
    file->lease_began();
    EXPECT_EQ(code_of(file->offload(copiers(), Form::packed, PackBy::own)), EBUSY);
    file->lease_ended();
    must(file->fabric_handles(copiers()));
    EXPECT_EQ(code_of(file->offload(copiers(), Form::as_they_are, PackBy::own)), EBUSY);
    EXPECT_FALSE(file->is_offloaded());
}

TEST_F(HostTest, AFileMayLiveInHostMemory) {
    const auto file = make(simulation().host());
    Bytes bytes = weights(5 * MiB + 100, 11);
    write(*file, 0, bytes);
    must(file->settle(copiers()));
    EXPECT_FALSE(file->is_cold());
    EXPECT_EQ(storage_.space().used, 0U);
    EXPECT_EQ(used_of_host(), 6 * MiB);
    EXPECT_EQ(file->extent_infos().front().device, "host");
    EXPECT_EQ(must(file->offload(copiers(), Form::packed, PackBy::own)), Outcome::kept);
    EXPECT_TRUE(all_of(*file) == bytes);
    must(file->resize(copiers(), MiB));
    bytes.resize(MiB);
    write(*file, 10, noise(50));
    EXPECT_EQ(
        must(file->share(copiers(), File::ShareBy::fd)).front().extent->device().info().kind, DeviceInfo::Kind::host);
    EXPECT_FALSE(file->is_cold());
    const auto small = make(simulation().host());
    write(*small, 0, noise(1000));
    EXPECT_TRUE(all_of(*small) == noise(1000));
    EXPECT_TRUE(small->is_shared()) << "with other small files";
    EXPECT_EQ(storage_.space().used, 0U);
}

TEST_F(HostTest, WhatWasGivenUpIsKeptForTheNextAndThenGoes) {
    const Bytes bytes = weights(8 * MiB, 15);
    auto file = offloaded(bytes, Form::as_they_are);
    must(file->wake(copiers()));
    EXPECT_EQ(storage_.host_space().reserve, 8 * MiB);
    EXPECT_EQ(storage_.host_space().used, 8 * MiB);
    const std::size_t held = must(keeper_.list()).size();
    must(file->offload(copiers(), Form::as_they_are, PackBy::own));
    EXPECT_EQ(storage_.host_space().reserve, 0U);
    EXPECT_EQ(must(keeper_.list()).size(), held - 1) << "the device's extent went, and nothing was made";
    EXPECT_TRUE(all_of(*file) == bytes);
    file.reset();
    EXPECT_FALSE(storage_.drop_reserve(Storage::Reserve::old)) << "it is kept for a while";
    EXPECT_TRUE(storage_.drop_reserve(Storage::Reserve::old));
    EXPECT_EQ(storage_.host_space().used, 0U);
}

TEST_F(HostTest, TheReserveGoesWhereItIsLacked) {
    auto file = offloaded(weights(60 * MiB, 16), Form::as_they_are); // of 64
    file.reset();
    EXPECT_EQ(storage_.host_space().reserve, 60 * MiB);
    const auto home = make(simulation().host());
    must(home->resize(copiers(), 62 * MiB)); // one extent, and so none of the reserve
    EXPECT_EQ(storage_.host_space().reserve, 0U);
    EXPECT_EQ(read(*home, 61 * MiB, 100), Bytes(100)) << "new memory is cleared";
    const auto reused = make(simulation().host());
    must(home->resize(copiers(), 0));
    must(reused->resize(copiers(), 2 * MiB));
    EXPECT_EQ(read(*reused, 0, 2 * MiB), Bytes(2 * MiB));
}

class LittleHostTest : public HostTest {
protected:
    LittleHostTest() : HostTest(32 * MiB, 4 * MiB) {}
};

TEST_F(LittleHostTest, NoRoomThereLeavesTheFileAsItWas) {
    const Bytes bytes = weights(8 * MiB, 12);
    const auto file = with(bytes);
    EXPECT_EQ(code_of(file->offload(copiers(), Form::as_they_are, PackBy::own)), ENOSPC);
    EXPECT_EQ(code_of(file->offload(copiers(), Form::packed, PackBy::own)), ENOSPC);
    EXPECT_FALSE(file->is_cold());
    EXPECT_EQ(used_of_host(), 0U);
    EXPECT_TRUE(all_of(*file) == bytes);
}

class FullDeviceTest : public HostTest {
protected:
    FullDeviceTest() : HostTest(16 * MiB) {}
};

TEST_F(FullDeviceTest, PackingGoesByWayOfHostMemoryWhereTheDeviceIsFull) {
    const Bytes bytes = weights(14 * MiB, 13);
    const auto file = with(bytes);
    EXPECT_EQ(must(file->pack(copiers(), PackBy::own)), File::PackOutcome::packed);
    EXPECT_FALSE(file->is_offloaded()) << "what it left has room for the image";
    EXPECT_EQ(file->allocated(), 10 * MiB);
    EXPECT_EQ(used_of_host(), 0U);
    EXPECT_TRUE(all_of(*file) == bytes);
}

TEST_F(FullDeviceTest, NoRoomToWakeLeavesItWhereItWas) {
    const Bytes bytes = weights(12 * MiB, 14);
    for (const Form form : {Form::as_they_are, Form::packed}) {
        const auto file = offloaded(bytes, form);
        const auto other = with(noise(6 * MiB));
        EXPECT_EQ(code_of(file->wake(copiers())), ENOSPC);
        EXPECT_TRUE(file->is_offloaded());
        EXPECT_TRUE(all_of(*file) == bytes);
    }
}

} // namespace
} // namespace gmemfs
