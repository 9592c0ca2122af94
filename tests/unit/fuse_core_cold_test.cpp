// Unit tests: files that are packed, read, and woken.
#include "tests/support/cold_files.hpp"

#include <algorithm>
#include <cstring>
#include <random>
#include <vector>

namespace gmemfs {
namespace {

using test::Bytes;
using test::code_of;
using test::ColdTest;
using test::must;
using test::noise;
using test::weights;
using Outcome = File::PackOutcome;

TEST_F(ColdTest, PackingShrinksAFileAndKeepsItsBytes) {
    const Bytes bytes = weights(7 * MiB + 12345, 1);
    const auto file = with(bytes);
    const std::uint64_t plain = file->allocated(), generation = file->generation(), used = storage_.space().used;
    EXPECT_EQ(must(file->pack(copiers(), PackBy::own)), Outcome::packed);
    EXPECT_EQ(file->allocated(), 6 * MiB) << "7 MiB at 1.4";
    EXPECT_EQ(storage_.space().used, used - plain + file->allocated());
    EXPECT_EQ(file->mappable(), plain) << "what a peer will map";
    EXPECT_EQ(file->size(), bytes.size());
    EXPECT_NE(file->generation(), generation);
    EXPECT_TRUE(all_of(*file) == bytes);
    EXPECT_EQ(file->residence(), Residence::packed) << "reading wakes nothing";
    must(file->wake(copiers()));
    EXPECT_EQ(file->residence(), Residence::plain);
    EXPECT_EQ(file->allocated(), plain);
    EXPECT_TRUE(all_of(*file) == bytes);
}

TEST_F(ColdTest, EveryRangeOfAPackedFileReadsAsBefore) {
    const Bytes bytes = weights(5 * MiB + 77, 2);
    const auto file = packed(bytes);
    std::mt19937 random(3);
    const auto check = [&](std::size_t from, std::size_t size) {
        const std::size_t end = std::min(bytes.size(), from + size);
        const Bytes expected(bytes.begin() + static_cast<std::ptrdiff_t>(std::min(from, bytes.size())),
            bytes.begin() + static_cast<std::ptrdiff_t>(end));
        ASSERT_EQ(read(*file, from, size), expected) << size << " at " << from;
    };
    check(0, 1);
    check(2 * MiB - 1, 2);
    check(128 * KiB - 3, 7);
    check(bytes.size() - 5, 100);
    for (int round = 0; round < 30; ++round) check(random() % bytes.size(), random() % MiB);
    EXPECT_TRUE(read(*file, bytes.size(), 10).empty());
}

TEST_F(ColdTest, AChangeWakesTheFileAndLandsInIt) {
    Bytes bytes = weights(8 * MiB, 4);
    const auto file = packed(bytes);
    write(*file, MiB + 3, noise(1000));
    const Bytes patch = noise(1000);
    std::copy(patch.begin(), patch.end(), bytes.begin() + MiB + 3);
    EXPECT_EQ(file->residence(), Residence::plain);
    EXPECT_TRUE(all_of(*file) == bytes);

    must(file->pack(copiers(), PackBy::own));
    must(file->punch(copiers(), 100, MiB));
    std::fill_n(bytes.begin() + 100, MiB, std::byte(0));
    EXPECT_TRUE(all_of(*file) == bytes);

    must(file->pack(copiers(), PackBy::own));
    must(file->resize(copiers(), 7 * MiB));
    bytes.resize(7 * MiB);
    EXPECT_TRUE(all_of(*file) == bytes);

    EXPECT_EQ(must(file->pack(copiers(), PackBy::own)), Outcome::packed);
    must(file->resize(copiers(), 7 * MiB));
    EXPECT_EQ(file->residence(), Residence::packed) << "it had that size";
    must(file->resize(copiers(), 0));
    EXPECT_EQ(file->residence(), Residence::plain);
    EXPECT_EQ(file->allocated(), 0U);
}

TEST_F(ColdTest, WhatSavesNothingIsKept) {
    const auto random = with(noise(4 * MiB));
    EXPECT_EQ(must(random->pack(copiers(), PackBy::own)), Outcome::kept);
    EXPECT_EQ(random->residence(), Residence::plain);
    const auto small = with(Bytes(10000));
    EXPECT_EQ(must(small->pack(copiers(), PackBy::own)), Outcome::kept) << "it shares its granule";
    const auto granule = make();
    must(granule->resize(copiers(), 2 * MiB));
    EXPECT_EQ(must(granule->pack(copiers(), PackBy::own)), Outcome::kept) << "an image takes a granule, too";
    EXPECT_EQ(must(make()->pack(copiers(), PackBy::own)), Outcome::kept);
}

TEST_F(ColdTest, PeersKeepAFilePlain) {
    const auto file = with(Bytes(4 * MiB));
    file->lease_began();
    EXPECT_EQ(code_of(file->pack(copiers(), PackBy::own)), EBUSY);
    file->lease_ended();
    must(file->share(copiers(), File::ShareBy::either)); // as a lease does; it has ended
    EXPECT_EQ(must(file->pack(copiers(), PackBy::own)), Outcome::packed);
    must(file->fabric_handles(copiers()));
    EXPECT_EQ(file->residence(), Residence::plain) << "a handle is to the bytes themselves";
    EXPECT_EQ(code_of(file->pack(copiers(), PackBy::own)), EBUSY);
}

TEST_F(ColdTest, DigestStaysAndIsNotComputedAnew) {
    const Bytes bytes = weights(8 * MiB, 5);
    const auto file = with(bytes);
    const Digest digest = must(file->digest(copiers()));
    must(file->pack(copiers(), PackBy::own));
    EXPECT_EQ(must(file->digest(copiers())), digest);
    EXPECT_EQ(file->residence(), Residence::packed);
    must(file->wake(copiers()));
    EXPECT_EQ(must(file->digest(copiers())), digest);
    const auto other = packed(bytes); // nobody has asked for its digest yet
    EXPECT_EQ(must(other->digest(copiers())), digest);
}

TEST_F(ColdTest, CopyingFromAPackedFileLeavesItPacked) {
    const Bytes bytes = weights(5 * MiB, 6);
    const auto file = packed(bytes);
    const auto copy = make();
    EXPECT_EQ(must(copy->copy_from(copiers(), *file, 1000, 5, 4 * MiB)), 4 * MiB);
    EXPECT_EQ(file->residence(), Residence::packed);
    EXPECT_EQ(read(*copy, 5, 4 * MiB), Bytes(bytes.begin() + 1000, bytes.begin() + 1000 + 4 * MiB));
    EXPECT_EQ(must(file->copy_from(copiers(), *copy, 5, 0, 4 * MiB)), 4 * MiB);
    EXPECT_EQ(file->residence(), Residence::plain);
}

TEST_F(ColdTest, ADirtyTailIsNoPartOfTheImage) {
    const auto file = make();
    write(*file, 0, noise(3 * MiB + 100000)); // loose: a tail that holds anything
    must(file->resize(copiers(), 3 * MiB + 5));
    write(*file, 0, Bytes(3 * MiB + 5));
    EXPECT_EQ(must(file->pack(copiers(), PackBy::own)), Outcome::packed);
    must(file->resize(copiers(), 4 * MiB));
    EXPECT_TRUE(all_of(*file) == Bytes(4 * MiB));
}

TEST_F(ColdTest, ADamagedImageIsAnErrorAndParityMendsIt) {
    const Bytes bytes = weights(8 * MiB, 7);
    const auto bare = packed(bytes);
    must(bare->damage(copiers(), 0, bare->allocated(), 4096, 1));
    EXPECT_EQ(code_of(try_read(*bare, 0, 8 * MiB)), EIO);
    EXPECT_EQ(code_of(bare->wake(copiers())), EIO);
    EXPECT_EQ(bare->residence(), Residence::packed);

    const auto safe = packed(bytes, Protection::parity);
    EXPECT_EQ(safe->parity_state(), ParityState::current);
    EXPECT_TRUE(must(safe->check_parity(ParityMode::verify, 0, safe->size())).left_wrong.empty());
    must(safe->damage(copiers(), 200 * KiB, 128 * KiB, 3, 2));
    EXPECT_TRUE(all_of(*safe) == bytes);
    must(safe->damage(copiers(), 400 * KiB, 128 * KiB, 3, 2));
    must(safe->wake(copiers()));
    EXPECT_TRUE(all_of(*safe) == bytes);
    EXPECT_TRUE(must(safe->check_parity(ParityMode::verify, 0, safe->size())).left_wrong.empty());
}

class FullColdTest : public ColdTest {
protected:
    FullColdTest() : ColdTest({.capacity = 16 * MiB}) {}
};

TEST_F(FullColdTest, WakingTakesMemoryFirst) {
    const Bytes bytes = weights(8 * MiB, 8);
    const auto file = with(bytes);
    EXPECT_EQ(must(file->pack(copiers(), PackBy::own)), Outcome::packed) << "8 MiB are left, and it takes 6";
    const auto other = make();
    must(other->resize(copiers(), 4 * MiB));
    EXPECT_EQ(code_of(file->wake(copiers())), ENOSPC) << "6 are left";
    EXPECT_EQ(code_of(file->resize(copiers(), 9 * MiB)), ENOSPC);
    EXPECT_EQ(file->residence(), Residence::packed);
    EXPECT_EQ(file->size(), 8 * MiB);
    EXPECT_TRUE(all_of(*file) == bytes);
    must(other->resize(copiers(), 0));
    must(file->wake(copiers()));
    EXPECT_TRUE(all_of(*file) == bytes);
}

TEST_F(FullColdTest, PackingNeedsRoomForTheImage) {
    const Bytes bytes = weights(8 * MiB, 10);
    const auto file = with(bytes);
    const auto other = make();
    must(other->resize(copiers(), 4 * MiB));
    EXPECT_EQ(code_of(file->pack(copiers(), PackBy::own)), ENOSPC);
    EXPECT_EQ(file->residence(), Residence::plain);
    EXPECT_TRUE(all_of(*file) == bytes);
}

} // namespace
} // namespace gmemfs
