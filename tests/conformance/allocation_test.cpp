// Conformance: allocations, their sizes, and how much there is.
#include "tests/conformance/child.hpp"
#include "tests/conformance/measured.hpp"
#include "tests/conformance/memory.hpp"

#include <gtest/gtest.h>

#include <algorithm>
#include <list>

namespace gmemfs::conformance {
namespace {

CUresult try_to_create(std::size_t size, const CUmemAllocationProp &wanted, unsigned long long flags = 0) {
    CUmemGenericAllocationHandle handle = 0;
    const CUresult result = driver().cuMemCreate(&handle, size, &wanted, flags);
    if (result == CUDA_SUCCESS) driver().cuMemRelease(handle);
    return result;
}

TEST(Allocation, GranularityIsTwoMebibytes) { // H200, driver 580: minimum and recommended
    for (const unsigned types : {0U, kDescriptor, kFabric, kDescriptor | kFabric})
        for (const auto which : {CU_MEM_ALLOC_GRANULARITY_MINIMUM, CU_MEM_ALLOC_GRANULARITY_RECOMMENDED}) {
            const CUmemAllocationProp wanted = properties(types);
            std::size_t granularity = 0;
            EXPECT_EQ(driver().cuMemGetAllocationGranularity(&granularity, &wanted, which), CUDA_SUCCESS);
            EXPECT_EQ(granularity, kGranule);
        }
}

TEST(Allocation, SizeThatIsNoMultipleIsRefused) {
    for (const std::size_t size : {std::size_t(1), std::size_t(4096), kGranule + 4096, 3 * kGranule / 2})
        EXPECT_EQ(try_to_create(size, properties(0)), CUDA_ERROR_INVALID_VALUE) << size;
}

TEST(Allocation, SizeOfZeroIsRefused) { EXPECT_EQ(try_to_create(0, properties(0)), CUDA_ERROR_INVALID_VALUE); }

TEST(Allocation, FlagsAreRefused) { EXPECT_EQ(try_to_create(kGranule, properties(0), 1), CUDA_ERROR_INVALID_VALUE); }

TEST(Allocation, DeviceThatIsNoneIsRefused) {
    EXPECT_EQ(try_to_create(kGranule, properties(0, 99)), CUDA_ERROR_INVALID_DEVICE);
}

TEST(Allocation, MayAskForDescriptorsAndRemoteAccessTogether) { // H200, driver 580
    CUmemAllocationProp wanted = properties(kDescriptor);
    wanted.allocFlags.gpuDirectRDMACapable = 1;
    EXPECT_EQ(try_to_create(kGranule, wanted), CUDA_SUCCESS);
}

// 2: CU_MEM_CREATE_USAGE_HW_DECOMPRESS, which <cuda.h> has from 12.8 on. An H200 has no such engine (driver 580).
TEST(Allocation, MayBeMadeForTheDecompressionEngine) {
    for (const auto &[usage, wanted] : {std::pair(1, CUDA_ERROR_INVALID_VALUE), std::pair(2, CUDA_SUCCESS),
             std::pair(3, CUDA_ERROR_INVALID_VALUE), std::pair(4, CUDA_SUCCESS)}) {
        CUmemAllocationProp used = properties(kDescriptor);
        used.allocFlags.usage = static_cast<unsigned short>(usage);
        EXPECT_EQ(try_to_create(kGranule, used), wanted) << usage;
    }
}

TEST(Allocation, FabricAndDescriptorGoTogether) { // H200, driver 580
    if (!has_fabric()) GTEST_SKIP() << "no IMEX channel on this machine";
    EXPECT_EQ(try_to_create(kGranule, properties(kDescriptor | kFabric)), CUDA_SUCCESS);
}

TEST(Allocation, WithoutAChannelFabricIsNotPermitted) { // H200, driver 580
    if (has_fabric()) GTEST_SKIP() << "this machine has an IMEX channel";
    EXPECT_EQ(try_to_create(kGranule, properties(kFabric)), CUDA_ERROR_NOT_PERMITTED);
    EXPECT_EQ(try_to_create(kGranule, properties(kFabric | kDescriptor)), CUDA_ERROR_NOT_PERMITTED);
}

TEST(Allocation, SaysWhatItWasMadeOf) {
    const Memory memory(kGranule, kDescriptor);
    CUmemAllocationProp found = {};
    ASSERT_EQ(driver().cuMemGetAllocationPropertiesFromHandle(&found, memory.handle()), CUDA_SUCCESS);
    EXPECT_EQ(found.type, CU_MEM_ALLOCATION_TYPE_PINNED);
    EXPECT_EQ(found.location.type, CU_MEM_LOCATION_TYPE_DEVICE);
    EXPECT_EQ(found.location.id, 0);
    EXPECT_EQ(unsigned(found.requestedHandleTypes), kDescriptor);
}

TEST(Allocation, MoreThanThereIsIsOutOfMemory) {
    std::size_t total = 0;
    ASSERT_EQ(driver().cuDeviceTotalMem(&total, 0), CUDA_SUCCESS);
    const std::size_t more = (total / kGranule + 1) * kGranule;
    EXPECT_EQ(try_to_create(more, properties(0)), CUDA_ERROR_OUT_OF_MEMORY);
    EXPECT_EQ(try_to_create(more, properties(shareable())), CUDA_ERROR_OUT_OF_MEMORY);
}

// Nothing of it is touched.
TEST(Allocation, TakingAllEndsInOutOfMemoryAndGivesAllBack) {
    const std::size_t before = free_memory();
    const std::size_t part = std::max(before / 16 / kGranule, std::size_t(1)) * kGranule;
    const CUmemAllocationProp wanted = properties(0);
    {
        std::list<Memory> all;
        CUresult result = CUDA_SUCCESS;
        while (all.size() < 64) {
            CUmemGenericAllocationHandle handle = 0;
            result = driver().cuMemCreate(&handle, part, &wanted, 0);
            if (result != CUDA_SUCCESS) break;
            all.emplace_back(handle, part);
        }
        EXPECT_EQ(result, CUDA_ERROR_OUT_OF_MEMORY);
        EXPECT_GE(all.size(), 15U);
        EXPECT_LE(free_memory(), before - all.size() * part);
    }
    EXPECT_EQ(free_memory(), before);
}

TEST(Allocation, FreeMemoryFallsByTheSizeAndComesBack) {
    const std::size_t before = free_memory();
    {
        const Memory memory(32 * kGranule, shareable());
        EXPECT_LE(free_memory(), before - memory.size());
        const Mapped mapped(memory);
    }
    EXPECT_EQ(free_memory(), before);
}

TEST(Allocation, IsReadableWhenNewAndZeroOnceCleared) {
    const Memory memory(2 * kGranule);
    const Mapped mapped(memory);
    const OwnStream stream;
    EXPECT_NE(read(mapped.address(), mapped.size()), Bytes(mapped.size(), kUnread)); // whatever it is, it is there
    const Bytes old = pattern(mapped.size(), 1);
    write(mapped.address(), old);
    EXPECT_EQ(read(mapped.address(), mapped.size()), old);
    EXPECT_EQ(driver().cuMemsetD8Async(mapped.address(), 0, mapped.size(), stream.get()), CUDA_SUCCESS);
    EXPECT_EQ(driver().cuStreamSynchronize(stream.get()), CUDA_SUCCESS);
    EXPECT_EQ(read(mapped.address(), mapped.size()), Bytes(mapped.size(), 0));
}

// In processes of their own: a driver may end a process that gives it garbage.
CUresult answer_to_garbage(const std::string &what) {
    Child child("garbage", {what});
    const Message answer = child.receive();
    EXPECT_EQ(child.finish(), 0) << "128 and a signal: the driver ended the process";
    return answer.result(0);
}

TEST(Garbage, HandleThatIsNoneIsRefused) {
    // Releasing, mapping or exporting one ends the process on a card: SIGSEGV, most times (H200, driver 580).
    if (!driver().is_simulator()) GTEST_SKIP() << "a card's driver dies of it";
    EXPECT_EQ(answer_to_garbage("release"), CUDA_ERROR_INVALID_VALUE);
    EXPECT_EQ(answer_to_garbage("map"), CUDA_ERROR_INVALID_VALUE);
    EXPECT_EQ(answer_to_garbage("export"), CUDA_ERROR_INVALID_VALUE);
}

TEST(Garbage, ReleaseIsRefusedTheSecondTime) {
    EXPECT_EQ(answer_to_garbage("release-twice"), CUDA_ERROR_INVALID_VALUE);
}

TEST(Garbage, DescriptorThatIsNoMemoryIsRefused) { // H200, driver 580
    EXPECT_EQ(answer_to_garbage("import-closed"), CUDA_ERROR_UNKNOWN);
    EXPECT_EQ(answer_to_garbage("import-file"), CUDA_ERROR_UNKNOWN);
    EXPECT_EQ(answer_to_garbage("import-null"), CUDA_ERROR_UNKNOWN);
}

TEST(Garbage, FabricHandleThatNoDriverMadeIsRefused) { // H200, driver 580: as one whose creator has died
    if (!has_fabric()) GTEST_SKIP() << "no IMEX channel on this machine";
    EXPECT_EQ(answer_to_garbage("import-zeros"), CUDA_ERROR_NOT_SUPPORTED);
    EXPECT_EQ(answer_to_garbage("import-random"), CUDA_ERROR_NOT_SUPPORTED);
}

TEST(Garbage, HostMemoryThatIsNotPinnedIsNotFreed) {
    EXPECT_EQ(answer_to_garbage("free-host"), CUDA_ERROR_INVALID_VALUE);
}

} // namespace
} // namespace gmemfs::conformance
