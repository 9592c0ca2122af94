// Conformance: address ranges, mappings and access rights.
#include "tests/conformance/child.hpp"
#include "tests/conformance/memory.hpp"

#include <gtest/gtest.h>

#include <csignal>

namespace gmemfs::conformance {
namespace {

int count_devices() {
    int count = 0;
    require(driver().cuDeviceGetCount(&count), "count devices");
    return count;
}

TEST(Reservation, IsAlignedToTheGranularity) {
    const Reservation range(kGranule);
    EXPECT_EQ(range.address() % kGranule, 0U);
    CUdeviceptr aligned = 0;
    ASSERT_EQ(driver().cuMemAddressReserve(&aligned, kGranule, 16 * kGranule, 0, 0), CUDA_SUCCESS);
    EXPECT_EQ(aligned % (16 * kGranule), 0U);
    EXPECT_EQ(driver().cuMemAddressFree(aligned, kGranule), CUDA_SUCCESS);
}

TEST(Reservation, OfAnOddSizeIsRefused) {
    CUdeviceptr address = 0;
    EXPECT_EQ(driver().cuMemAddressReserve(&address, kGranule + 4096, 0, 0, 0), CUDA_ERROR_INVALID_VALUE);
    EXPECT_EQ(driver().cuMemAddressReserve(&address, 0, 0, 0, 0), CUDA_ERROR_INVALID_VALUE);
}

TEST(Reservation, MayBeMuchLargerThanTheMemory) {
    constexpr std::size_t kLarge = std::size_t(256) << 30;
    CUdeviceptr address = 0;
    ASSERT_EQ(driver().cuMemAddressReserve(&address, kLarge, 0, 0, 0), CUDA_SUCCESS);
    EXPECT_EQ(driver().cuMemAddressFree(address, kLarge), CUDA_SUCCESS);
}

TEST(Reservation, IsFreedWholeAndOnce) {
    CUdeviceptr address = 0;
    ASSERT_EQ(driver().cuMemAddressReserve(&address, 2 * kGranule, 0, 0, 0), CUDA_SUCCESS);
    EXPECT_EQ(driver().cuMemAddressFree(address, kGranule), CUDA_ERROR_INVALID_VALUE);
    EXPECT_EQ(driver().cuMemAddressFree(address + kGranule, kGranule), CUDA_ERROR_INVALID_VALUE);
    EXPECT_EQ(driver().cuMemAddressFree(address, 2 * kGranule), CUDA_SUCCESS);
    EXPECT_EQ(driver().cuMemAddressFree(address, 2 * kGranule), CUDA_ERROR_INVALID_VALUE);
}

TEST(Reservation, IsNotFreedWhileMapped) {
    const Memory memory(kGranule);
    const Mapped mapped(memory);
    EXPECT_EQ(driver().cuMemAddressFree(mapped.address(), mapped.size()), CUDA_ERROR_INVALID_VALUE);
}

TEST(Mapping, OfAPartIsNotSupported) { // H200, driver 580
    const Memory memory(2 * kGranule);
    const Reservation range(2 * kGranule);
    EXPECT_EQ(driver().cuMemMap(range.address(), kGranule, 0, memory.handle(), 0), CUDA_ERROR_NOT_SUPPORTED);
    EXPECT_EQ(driver().cuMemMap(range.address(), kGranule, kGranule, memory.handle(), 0), CUDA_ERROR_NOT_SUPPORTED);
}

TEST(Mapping, OutsideOfAReservationIsRefused) {
    // A card's driver maps beyond the end of a reservation, and can't map what is reserved there later (H200, driver
    // 580).
    if (!driver().is_simulator()) GTEST_SKIP() << "a card doesn't refuse it, and is the worse for it";
    const Memory memory(2 * kGranule);
    const Reservation range(2 * kGranule);
    EXPECT_EQ(
        driver().cuMemMap(range.address(kGranule), memory.size(), 0, memory.handle(), 0), CUDA_ERROR_INVALID_VALUE);
}

TEST(Mapping, OverAnotherIsRefused) {
    const Memory first(kGranule);
    const Memory second(kGranule);
    const Mapped mapped(first);
    EXPECT_EQ(driver().cuMemMap(mapped.address(), kGranule, 0, second.handle(), 0), CUDA_ERROR_INVALID_VALUE);
}

TEST(Mapping, IsUnmappedWholeAndAsOftenAsOneLikes) {
    const Memory memory(2 * kGranule);
    const Reservation range(2 * kGranule);
    ASSERT_EQ(driver().cuMemMap(range.address(), memory.size(), 0, memory.handle(), 0), CUDA_SUCCESS);
    EXPECT_EQ(driver().cuMemUnmap(range.address(), kGranule), CUDA_ERROR_INVALID_VALUE);
    EXPECT_EQ(driver().cuMemUnmap(range.address(), memory.size()), CUDA_SUCCESS);
    EXPECT_EQ(driver().cuMemUnmap(range.address(), memory.size()), CUDA_SUCCESS); // a reserved range, nothing mapped
}

TEST(Mapping, KeepsTheMemoryWhenTheHandleIsReleased) {
    Memory memory(kGranule);
    const std::size_t without = free_memory();
    {
        const Mapped mapped(memory);
        write(mapped.address(), pattern(kGranule, 3));
        memory.release();
        EXPECT_LE(free_memory(), without);
        EXPECT_EQ(read(mapped.address(), kGranule), pattern(kGranule, 3));
    }
    EXPECT_GE(free_memory(), without + kGranule);
}

TEST(Mapping, OfTheSameMemoryTwiceShowsTheSameBytes) {
    const Memory memory(kGranule);
    const Mapped first(memory);
    const Mapped second(memory);
    EXPECT_NE(first.address(), second.address());
    write(first.address(), pattern(kGranule, 11));
    EXPECT_EQ(read(second.address(), kGranule), pattern(kGranule, 11));
}

TEST(Mapping, IsReusedAfterUnmap) {
    const Memory first(kGranule);
    const Memory second(kGranule);
    Reservation range(kGranule);
    range.map(first);
    range.allow();
    write(range.address(), pattern(kGranule, 1));
    range.unmap();
    range.map(second);
    range.allow(); // which was lost with the unmap
    write(range.address(), pattern(kGranule, 2));
    EXPECT_EQ(read(range.address(), kGranule), pattern(kGranule, 2));
    EXPECT_EQ(read(Mapped(first).address(), kGranule), pattern(kGranule, 1));
}

TEST(Mapping, OneRangeHoldsSeveralAllocations) {
    const Memory parts[] = {Memory(kGranule), Memory(3 * kGranule), Memory(2 * kGranule)};
    Reservation range(6 * kGranule);
    std::size_t offset = 0;
    for (const Memory &part : parts) {
        range.map(part, offset);
        offset += part.size();
    }
    range.allow(); // of all in one call
    const Bytes bytes = pattern(5 * kGranule, 9);
    write(range.address(kGranule / 2), bytes); // over both borders
    EXPECT_EQ(read(range.address(kGranule / 2), bytes.size()), bytes);
    const Bytes middle(bytes.begin() + kGranule / 2, bytes.begin() + kGranule / 2 + 4096);
    EXPECT_EQ(read(Mapped(parts[1]).address(), 4096), middle);
}

TEST(Mapping, SeveralNeighboursAreUnmappedInOneCall) {
    const Memory first(kGranule);
    const Memory second(kGranule);
    const Reservation range(2 * kGranule);
    ASSERT_EQ(driver().cuMemMap(range.address(), kGranule, 0, first.handle(), 0), CUDA_SUCCESS);
    ASSERT_EQ(driver().cuMemMap(range.address(kGranule), kGranule, 0, second.handle(), 0), CUDA_SUCCESS);
    EXPECT_EQ(driver().cuMemUnmap(range.address(), 2 * kGranule), CUDA_SUCCESS);
}

TEST(Mapping, OneRangeHoldsMemoryOfTwoDevices) { // two H200 of one NVLink domain
    if (count_devices() < 2) GTEST_SKIP() << "one device";
    const Memory first(kGranule, 0, 0);
    const Memory second(kGranule, 0, 1);
    Reservation range(2 * kGranule);
    range.map(first);
    range.map(second, kGranule);
    const CUmemAccessDesc both[] = {access_of(0), access_of(1)};
    const CUresult result = driver().cuMemSetAccess(range.address(), range.size(), both, 2);
    if (result == CUDA_ERROR_INVALID_DEVICE) GTEST_SKIP() << "the devices have no peer access";
    ASSERT_EQ(result, CUDA_SUCCESS);
    write(range.address(), pattern(2 * kGranule, 4));
    EXPECT_EQ(read(range.address(), 2 * kGranule), pattern(2 * kGranule, 4));
}

TEST(Access, ReadOnlyMayBeRead) { // H200, driver 580
    const Memory memory(kGranule);
    write(Mapped(memory).address(), pattern(kGranule, 8));
    Reservation range(kGranule);
    range.map(memory);
    range.allow(CU_MEM_ACCESS_FLAGS_PROT_READ);
    EXPECT_EQ(read(range.address(), kGranule), pattern(kGranule, 8));
}

TEST(Access, IsToldAsItWasSet) {
    const Memory memory(kGranule);
    Reservation range(kGranule);
    range.map(memory);
    const CUmemLocation device = access_of(0).location;
    unsigned long long flags = 99;
    EXPECT_EQ(driver().cuMemGetAccess(&flags, &device, range.address()), CUDA_SUCCESS);
    EXPECT_EQ(flags, CU_MEM_ACCESS_FLAGS_PROT_NONE);
    range.allow();
    EXPECT_EQ(driver().cuMemGetAccess(&flags, &device, range.address(4096)), CUDA_SUCCESS);
    EXPECT_EQ(flags, CU_MEM_ACCESS_FLAGS_PROT_READWRITE);
}

TEST(Access, IsSetForWholeMappingsOnly) {
    const Memory memory(2 * kGranule);
    Reservation range(3 * kGranule);
    range.map(memory);
    const CUmemAccessDesc access = access_of(0);
    EXPECT_EQ(driver().cuMemSetAccess(range.address(), kGranule, &access, 1), CUDA_ERROR_INVALID_VALUE);
    EXPECT_EQ(driver().cuMemSetAccess(range.address(), 3 * kGranule, &access, 1), CUDA_ERROR_INVALID_VALUE);
    EXPECT_EQ(driver().cuMemSetAccess(range.address(2 * kGranule), kGranule, &access, 1), CUDA_ERROR_INVALID_VALUE);
    EXPECT_EQ(driver().cuMemSetAccess(range.address(), 2 * kGranule, &access, 1), CUDA_SUCCESS);
}

TEST(Access, OfADeviceThatIsNoneIsRefused) {
    const Memory memory(kGranule);
    Reservation range(kGranule);
    range.map(memory);
    const CUmemAccessDesc access = access_of(99);
    EXPECT_EQ(driver().cuMemSetAccess(range.address(), kGranule, &access, 1), CUDA_ERROR_INVALID_VALUE);
}

// Each in a process of its own, which a fault on a card may cost its context. Step 0 queues, step 1 waits.
struct WrongCopy : testing::TestWithParam<const char *> {};
TEST_P(WrongCopy, IsRefusedWhenQueued) {
    Child child("copy", {GetParam()});
    const Message answer = child.receive();
    EXPECT_EQ(answer.result(0), CUDA_ERROR_INVALID_VALUE) << "and the wait: " << name_of(answer.result(1));
    EXPECT_EQ(answer.result(1), CUDA_SUCCESS);
}
INSTANTIATE_TEST_SUITE_P(Access, WrongCopy, testing::Values("unmapped", "no-access", "read-only", "past-the-end"));

TEST(Access, OfAnotherDeviceIsNotEnough) {
    if (count_devices() < 2) GTEST_SKIP() << "one device";
    Child child("copy", {"other-device"});
    const Message answer = child.receive();
    EXPECT_EQ(answer.result(0), CUDA_ERROR_INVALID_VALUE) << "and the wait: " << name_of(answer.result(1));
}

TEST(Access, HostMayNotFollowADeviceAddress) {
    Child child("dereference");
    EXPECT_EQ(child.finish(), 128 + SIGSEGV);
}

} // namespace
} // namespace gmemfs::conformance
