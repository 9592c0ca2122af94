// Ublk: what the kernel's descriptors ask of a disk, and what is refused.
#include "block/ublk/demand.hpp"
#include "vmm/base/units.hpp"

#include <gtest/gtest.h>

#include <cerrno>

namespace gmemfs::block::ublk {
namespace {

constexpr Limits kLimits = {100 * MiB, 512 * KiB, kSector}, kWithSums = {100 * MiB, 512 * KiB, 4096};
constexpr std::uint64_t kSectors = 100 * MiB / kSector;

Descriptor descriptor(Operation operation, std::uint64_t first_sector, std::uint32_t sectors) {
    constexpr std::uint32_t kSwap = 1 << 16, kFua = 1 << 13; // flags, which change nothing
    return {static_cast<std::uint32_t>(operation) | kSwap | kFua, sectors, first_sector, 0};
}

class UblkDemand : public ::testing::Test {
protected:
    Demand demand(
        Operation operation, std::uint64_t first_sector, std::uint32_t sectors, const Limits &limits = kLimits) {
        return read_descriptor(descriptor(operation, first_sector, sectors), &byte_, limits);
    }
    int code(Operation operation, std::uint64_t first_sector, std::uint32_t sectors, const Limits &limits = kLimits) {
        const Demand found = demand(operation, first_sector, sectors, limits);
        EXPECT_EQ(found.request.has_value(), found.code == 0);
        return found.code;
    }
    std::byte byte_ = {};
};

TEST_F(UblkDemand, ReadsAndWritesUseTheTagsBuffer) {
    const Demand read = demand(Operation::read, 8, 16);
    ASSERT_TRUE(read.request);
    EXPECT_EQ(read.request->kind, Request::Kind::read);
    EXPECT_EQ(read.request->offset, 4096U);
    EXPECT_EQ(read.request->length, 8192U);
    EXPECT_EQ(read.request->bytes, &byte_);
    const Demand write = demand(Operation::write, kSectors - 1, 1);
    ASSERT_TRUE(write.request);
    EXPECT_EQ(write.request->kind, Request::Kind::write);
    EXPECT_EQ(write.request->offset, 100 * MiB - 512);
    EXPECT_EQ(write.request->bytes, &byte_);
}

TEST_F(UblkDemand, DiscardsAndZeroesClearMoreThanABufferHolds) {
    for (const Operation operation : {Operation::discard, Operation::write_zeroes}) {
        const Demand found = demand(operation, 0, kSectors);
        ASSERT_TRUE(found.request);
        EXPECT_EQ(found.request->kind, Request::Kind::discard);
        EXPECT_EQ(found.request->length, 100 * MiB);
        EXPECT_EQ(found.request->bytes, nullptr);
    }
}

TEST_F(UblkDemand, ZeroesThatMustKeepTheirMemoryAreNoDiscard) {
    Descriptor wanted = descriptor(Operation::write_zeroes, 8, 16);
    wanted.operation_and_flags |= kNoUnmap;
    const Demand found = read_descriptor(wanted, &byte_, kLimits);
    ASSERT_TRUE(found.request);
    EXPECT_EQ(found.request->kind, Request::Kind::zero);
    EXPECT_EQ(found.request->bytes, nullptr);
}

TEST_F(UblkDemand, FlushesAreAnsweredAtOnce) {
    const Demand found = demand(Operation::flush, 0, 0);
    EXPECT_FALSE(found.request);
    EXPECT_EQ(found.code, 0);
}

TEST_F(UblkDemand, WhatIsOutsideIsRefusedAlsoWhereItOverflows) {
    EXPECT_EQ(code(Operation::read, kSectors - 1, 2), EINVAL);
    EXPECT_EQ(code(Operation::write, kSectors + 1, 1), EINVAL);
    EXPECT_EQ(code(Operation::discard, 0, kSectors + 1), EINVAL);
    EXPECT_EQ(code(Operation::read, UINT64_MAX, 8), EINVAL);
    EXPECT_EQ(code(Operation::read, UINT64_MAX / kSector + 1, 8), EINVAL); // offset 0, were it to overflow
    EXPECT_EQ(code(Operation::write_zeroes, 1, UINT32_MAX), EINVAL);
    EXPECT_EQ(code(Operation::read, 0, kSectors), EINVAL); // more than the buffer
    EXPECT_EQ(code(Operation::read, 0, 512 * KiB / kSector), 0);
}

TEST_F(UblkDemand, WithChecksumsOnlyWholeBlocksAreTaken) {
    EXPECT_EQ(code(Operation::write, 8, 8, kWithSums), 0);
    EXPECT_EQ(code(Operation::write, 8, 7, kWithSums), EINVAL);
    EXPECT_EQ(code(Operation::discard, 7, 8, kWithSums), EINVAL);
    EXPECT_EQ(code(Operation::write, 7, 7), 0);
}

TEST_F(UblkDemand, OtherOperationsAreRefused) {
    for (const unsigned operation : {4U, 10U, 15U, 18U, 255U}) // write same, zones
        EXPECT_EQ(code(static_cast<Operation>(operation), 0, 8), EOPNOTSUPP) << operation;
}

} // namespace
} // namespace gmemfs::block::ublk
