// Disk: batches of requests by a lane, what is refused, and what a failing device or damage does to them.
#include "block/disk/lanes.hpp"
#include "tests/support/sim_disk.hpp"

#include <gtest/gtest.h>

#include <algorithm>
#include <vector>

namespace gmemfs::block {
namespace {

using test::make_disk;
using test::must;

constexpr std::uint64_t kSize = 4 * MiB;

class DiskTest : public test::OnSimulation {
protected:
    static Request read(Lane &lane, std::uint64_t offset, std::uint64_t length, std::size_t at) {
        return {Request::Kind::read, offset, length, lane.memory().data() + at, -1};
    }
    static Request write(Lane &lane, std::uint64_t offset, std::uint64_t length, std::size_t at) {
        return {Request::Kind::write, offset, length, lane.memory().data() + at, -1};
    }
    static Request zero(std::uint64_t offset, std::uint64_t length) {
        return {Request::Kind::zero, offset, length, nullptr, -1};
    }
    static int run_one(Lane &lane, Request request) {
        lane.run({&request, 1});
        return request.code;
    }
    static void fill(Lane &lane, std::size_t at, std::size_t length, unsigned seed) {
        test::fill_with_pattern(lane.memory().subspan(at, length), seed);
    }
};

TEST_F(DiskTest, ABatchIsDoneInItsOrder) {
    const std::unique_ptr<Disk> disk = make_disk(kSize);
    Lane lane = must(Lane::create(*disk, 1 * MiB));
    fill(lane, 0, 4096, 1);
    fill(lane, 4096, 4096, 2);
    Request batch[] = {write(lane, 100, 4096, 0), read(lane, 100, 4096, 16384), write(lane, 100, 4096, 4096),
        zero(50, 100), read(lane, 0, 8192, 32768)};
    lane.run(batch);
    for (const Request &request : batch) EXPECT_EQ(request.code, 0);
    const std::byte *const memory = lane.memory().data();
    EXPECT_EQ(std::memcmp(memory + 16384, memory, 4096), 0);
    EXPECT_EQ(std::memcmp(memory + 32768 + 150, memory + 4096 + 50, 4046), 0);
    for (std::size_t at = 0; at < 150; ++at) EXPECT_EQ(memory[32768 + at], std::byte{0}) << at;
}

TEST_F(DiskTest, WhatIsReadOnlyIsOnlyRead) {
    const std::unique_ptr<Disk> disk = make_disk(kSize, Mode::read_only);
    Lane lane = must(Lane::create(*disk, 64 * KiB));
    Request batch[] = {write(lane, 0, 512, 0), zero(0, 512), read(lane, 0, 512, 0)};
    lane.run(batch);
    EXPECT_EQ(batch[0].code, EPERM);
    EXPECT_EQ(batch[1].code, EPERM);
    EXPECT_EQ(batch[2].code, 0);
}

TEST_F(DiskTest, ACopyThatFailsIsTheErrorOfItsRequestAlone) {
    const std::unique_ptr<Disk> disk = make_disk(kSize);
    Lane lane = must(Lane::create(*disk, 64 * KiB));
    simulation().plan_faults("cuMemcpyHtoDAsync#2=INVALID_VALUE");
    Request batch[] = {write(lane, 0, 512, 0), write(lane, 4096, 512, 0), write(lane, 8192, 512, 0)};
    lane.run(batch);
    EXPECT_EQ(batch[0].code, 0);
    EXPECT_EQ(batch[1].code, EIO);
    EXPECT_EQ(batch[2].code, 0);
    EXPECT_FALSE(disk->has_failed());
    simulation().plan_faults("cuStreamSynchronize#1=INVALID_VALUE");
    lane.run(batch);
    for (const Request &request : batch) EXPECT_EQ(request.code, EIO);
}

// Writes and reads of 4 KiB by one call of the driver, which promises no order; one that is larger, one that clears.
TEST_F(DiskTest, ManySmallCopiesGoTogetherAndKeepTheirOrder) {
    const std::unique_ptr<Disk> disk = make_disk(kSize);
    Lane lane = must(Lane::create(*disk, 2 * MiB));
    fill(lane, 0, 1 * MiB, 8);
    for (const char *const faults : {"", "cuMemcpyBatchAsync#1=NOT_SUPPORTED"}) {
        EXPECT_EQ(run_one(lane, zero(0, kSize)), 0);
        simulation().plan_faults(faults);
        std::vector<Request> batch;
        for (std::size_t at = 0; at < 40 * 4096; at += 4096) batch.push_back(write(lane, at, 4096, at));
        batch.push_back(write(lane, 1 * MiB, 128 * KiB, 512 * KiB));
        batch.push_back(zero(4096, 4096));
        for (std::size_t at = 0; at < 40 * 4096; at += 4096) batch.push_back(write(lane, at, 512, 8192));
        batch.push_back(read(lane, 0, 160 * KiB, 1 * MiB));
        for (std::size_t block = 0; block < 8; ++block)
            batch.push_back(read(lane, 1 * MiB + block * 4096, 4096, 1 * MiB + 512 * KiB + block * 4096));
        lane.run(batch);
        for (const Request &request : batch) EXPECT_EQ(request.code, 0) << request.offset;
        std::vector<std::byte> expected(lane.memory().begin(), lane.memory().begin() + 160 * KiB);
        std::fill_n(expected.begin() + 4096, 4096, std::byte{0});
        for (std::size_t block = 0; block < 40; ++block)
            std::copy_n(
                lane.memory().begin() + 8192, 512, expected.begin() + static_cast<std::ptrdiff_t>(block * 4096));
        const std::byte *const got = lane.memory().data() + 1 * MiB;
        EXPECT_EQ(std::memcmp(got, expected.data(), expected.size()), 0) << faults;
        EXPECT_EQ(std::memcmp(got + 512 * KiB, lane.memory().data() + 512 * KiB, 32 * KiB), 0) << faults;
    }
}

TEST_F(DiskTest, ChecksumsFindWhatWasChangedBehindThem) {
    std::vector<std::uint32_t> sums(kSize / kCheckedSize);
    const std::unique_ptr<Disk> disk = make_disk(kSize, Mode::read_write, sums);
    Lane lane = must(Lane::create(*disk, 1 * MiB));
    fill(lane, 0, 64 * KiB, 3);
    EXPECT_EQ(run_one(lane, read(lane, 128 * KiB, 8192, 65536)), 0) << "nothing is known of it";
    EXPECT_EQ(run_one(lane, write(lane, 8192, 64 * KiB, 0)), 0);
    EXPECT_EQ(run_one(lane, read(lane, 8192, 64 * KiB, 65536)), 0);
    test::set_bytes(*disk, 8192 + 5000, 1, 0x5a);
    Request batch[] = {read(lane, 8192, 4096, 65536), read(lane, 12288, 4096, 69632), read(lane, 16384, 4096, 73728)};
    lane.run(batch);
    EXPECT_EQ(batch[0].code, 0);
    EXPECT_EQ(batch[1].code, EIO);
    EXPECT_EQ(batch[2].code, 0);
    EXPECT_EQ(run_one(lane, zero(12288, 4096)), 0);
    EXPECT_EQ(run_one(lane, read(lane, 8192, 64 * KiB, 65536)), 0);
    test::set_bytes(*disk, 12288, 1, 1);
    EXPECT_EQ(run_one(lane, read(lane, 12288, 4096, 65536)), EIO) << "zeros have sums as well";
}

TEST_F(DiskTest, ChecksumsKeepTheOrderOfABatch) {
    std::vector<std::uint32_t> sums(kSize / kCheckedSize);
    const std::unique_ptr<Disk> disk = make_disk(kSize, Mode::read_write, sums);
    Lane lane = must(Lane::create(*disk, 1 * MiB));
    fill(lane, 0, 8192, 4);
    Request batch[] = {write(lane, 0, 4096, 0), read(lane, 0, 4096, 65536), write(lane, 0, 4096, 4096),
        read(lane, 0, 8192, 131072), zero(0, 4096), read(lane, 0, 4096, 196608)};
    lane.run(batch);
    for (const Request &request : batch) EXPECT_EQ(request.code, 0);
    const std::byte *const memory = lane.memory().data();
    EXPECT_EQ(std::memcmp(memory + 65536, memory, 4096), 0);
    EXPECT_EQ(std::memcmp(memory + 131072, memory + 4096, 4096), 0);
    EXPECT_EQ(memory[196608], std::byte{0});
}

TEST_F(DiskTest, ChecksumsOfAFailedWriteAreForgotten) {
    std::vector<std::uint32_t> sums(kSize / kCheckedSize);
    const std::unique_ptr<Disk> disk = make_disk(kSize, Mode::read_write, sums);
    Lane lane = must(Lane::create(*disk, 64 * KiB));
    fill(lane, 0, 4096, 5);
    EXPECT_EQ(run_one(lane, write(lane, 0, 4096, 0)), 0);
    fill(lane, 0, 4096, 6);
    simulation().plan_faults("cuMemcpyHtoDAsync#1=INVALID_VALUE");
    EXPECT_EQ(run_one(lane, write(lane, 0, 4096, 0)), EIO);
    EXPECT_EQ(run_one(lane, read(lane, 0, 4096, 8192)), 0) << "the bytes may be either's";
    EXPECT_EQ(run_one(lane, write(lane, 100, 4096, 0)), EINVAL) << "no whole block";
}

TEST_F(DiskTest, LanesAreLentAndComeBack) {
    const std::unique_ptr<Disk> disk = make_disk(kSize);
    Lanes lanes(*disk, 64 * KiB);
    std::vector<std::byte> data(300 * KiB), back(300 * KiB);
    test::fill_with_pattern(data, 7);
    EXPECT_EQ(lanes.run(Request::Kind::write, 1000, data.size(), data.data()), 0);
    EXPECT_EQ(lanes.run(Request::Kind::read, 1000, back.size(), back.data()), 0);
    EXPECT_EQ(back, data);
    EXPECT_EQ(lanes.run(Request::Kind::zero, 0, kSize, nullptr), 0);
    EXPECT_EQ(lanes.run(Request::Kind::read, 1000, back.size(), back.data()), 0);
    EXPECT_EQ(back, std::vector<std::byte>(back.size()));
    simulation().plan_faults("cuMemcpyDtoHAsync#2=INVALID_VALUE");
    EXPECT_EQ(lanes.run(Request::Kind::read, 0, back.size(), back.data()), EIO);
}

} // namespace
} // namespace gmemfs::block
