// Conformance: host memory that the driver makes (HOST_NUMA): devices map it, and processors once they have access.
//
// Measured on an H200, driver 580, in a machine with one node, where a case doesn't say otherwise.
#include "tests/conformance/measured.hpp"
#include "tests/conformance/peers.hpp"
#include "tests/conformance/poke.hpp"

#include <gtest/gtest.h>

#include <algorithm>
#include <fstream>
#include <string>
#include <unistd.h>

namespace gmemfs::conformance {
namespace {

#define SKIP_WITHOUT_FABRIC()                                                                                          \
    if (!has_fabric()) GTEST_SKIP() << "no IMEX channel on this machine"

// CU_DEVICE_ATTRIBUTE_HOST_NUMA_MULTINODE_IPC_SUPPORTED, a name that <cuda.h> has from 12.8 on.
constexpr auto kHostNumaMultinode = static_cast<CUdevice_attribute>(143);

bool has_node(int node) {
    return ::access(("/sys/devices/system/node/node" + std::to_string(node)).c_str(), F_OK) == 0;
}

CUresult try_to_create(std::size_t size, const CUmemAllocationProp &wanted) {
    CUmemGenericAllocationHandle handle = 0;
    const CUresult result = driver().cuMemCreate(&handle, size, &wanted, 0);
    if (result == CUDA_SUCCESS) driver().cuMemRelease(handle);
    return result;
}

CUmemAllocationProp properties_at(CUmemLocationType type, int id) {
    CUmemAllocationProp wanted = host_properties(0);
    wanted.location.type = type;
    wanted.location.id = id;
    return wanted;
}

struct HostMemoryTest : testing::Test {
    void SetUp() override { // NOLINT(readability-identifier-naming)
        if (!has_host_memory()) GTEST_SKIP() << "a device that maps no memory of the host";
    }
};
using HostAllocation = HostMemoryTest;
using HostWork = HostMemoryTest;
using HostSharing = HostMemoryTest;

TEST(HostAttribute, SaysThatHostMemoryIsMade) { EXPECT_EQ(attribute_of_device(kHostNumaMemory), 1); }

TEST(HostAttribute, SaysThatItIsNotSharedBetweenHosts) { EXPECT_EQ(attribute_of_device(kHostNumaMultinode), 0); }

TEST(HostAttribute, NamesTheNodeOfAMachineWithOne) {
    if (!driver().is_simulator() && has_node(1)) GTEST_SKIP() << "a machine with several nodes";
    EXPECT_EQ(attribute_of_device(CU_DEVICE_ATTRIBUTE_HOST_NUMA_ID), 0);
}

TEST_F(HostAllocation, GranularityIsTwoMebibytes) {
    for (const auto type : {CU_MEM_LOCATION_TYPE_HOST_NUMA, CU_MEM_LOCATION_TYPE_HOST})
        for (const auto which : {CU_MEM_ALLOC_GRANULARITY_MINIMUM, CU_MEM_ALLOC_GRANULARITY_RECOMMENDED}) {
            const CUmemAllocationProp wanted = properties_at(type, 0);
            std::size_t granularity = 0;
            EXPECT_EQ(driver().cuMemGetAllocationGranularity(&granularity, &wanted, which), CUDA_SUCCESS);
            EXPECT_EQ(granularity, kGranule) << "location type " << type;
        }
}

// Although its granularity is told. A card makes it where no handle is wanted (H200, driver 580).
TEST_F(HostAllocation, WithoutANodeIsRefusedWhereItIsToBeShared) {
    CUmemAllocationProp wanted = properties_at(CU_MEM_LOCATION_TYPE_HOST, 0);
    wanted.requestedHandleTypes = CU_MEM_HANDLE_TYPE_POSIX_FILE_DESCRIPTOR;
    EXPECT_EQ(try_to_create(kGranule, wanted), CUDA_ERROR_INVALID_VALUE);
}

TEST_F(HostAllocation, AtTheNodeOfTheThreadIsRefused) {
    EXPECT_EQ(
        try_to_create(kGranule, properties_at(CU_MEM_LOCATION_TYPE_HOST_NUMA_CURRENT, 0)), CUDA_ERROR_INVALID_VALUE);
}

TEST_F(HostAllocation, AtANodeThatIsNoneIsRefused) {
    for (const int node : {1, 7})
        if (driver().is_simulator() || !has_node(node)) {
            EXPECT_EQ(
                try_to_create(kGranule, properties_at(CU_MEM_LOCATION_TYPE_HOST_NUMA, node)), CUDA_ERROR_INVALID_VALUE)
                << node;
        }
}

TEST_F(HostAllocation, WithRemoteAccessIsRefused) { // which device memory may be asked for
    CUmemAllocationProp wanted = host_properties(kDescriptor);
    wanted.allocFlags.gpuDirectRDMACapable = 1;
    EXPECT_EQ(try_to_create(kGranule, wanted), CUDA_ERROR_INVALID_VALUE);
}

TEST_F(HostAllocation, SizeThatIsNoMultipleIsRefused) {
    // as of device memory
    for (const std::size_t size : {std::size_t(0), std::size_t(4096), kGranule + 4096})
        EXPECT_EQ(try_to_create(size, host_properties(0)), CUDA_ERROR_INVALID_VALUE) << size;
}

TEST_F(HostAllocation, MoreThanThereIsIsOutOfMemory) {
    EXPECT_EQ(try_to_create(std::size_t(4) << 40, host_properties(0)), CUDA_ERROR_OUT_OF_MEMORY);
}

TEST_F(HostAllocation, IsMadeWithEveryHandleType) {
    for (const unsigned types : {0U, kDescriptor})
        EXPECT_EQ(try_to_create(kGranule, host_properties(types)), CUDA_SUCCESS) << types;
    if (!has_fabric()) return;
    for (const unsigned types : {kFabric, kFabric | kDescriptor})
        EXPECT_EQ(try_to_create(kGranule, host_properties(types)), CUDA_SUCCESS) << types;
}

TEST_F(HostAllocation, WithoutAChannelFabricIsNotPermitted) {
    if (has_fabric()) GTEST_SKIP() << "this machine has an IMEX channel";
    for (const unsigned types : {kFabric, kFabric | kDescriptor})
        EXPECT_EQ(try_to_create(kGranule, host_properties(types)), CUDA_ERROR_NOT_PERMITTED) << types;
}

TEST_F(HostAllocation, SaysWhatItWasMadeOf) {
    const HostMemory memory(kGranule, kDescriptor);
    CUmemAllocationProp found = {};
    ASSERT_EQ(driver().cuMemGetAllocationPropertiesFromHandle(&found, memory.handle()), CUDA_SUCCESS);
    EXPECT_EQ(found.type, CU_MEM_ALLOCATION_TYPE_PINNED);
    EXPECT_EQ(found.location.type, CU_MEM_LOCATION_TYPE_HOST_NUMA);
    EXPECT_EQ(found.location.id, host_properties(0).location.id);
    EXPECT_EQ(unsigned(found.requestedHandleTypes), kDescriptor);
}

TEST_F(HostAllocation, TakesNothingOfTheDevice) {
    const std::size_t before = free_memory();
    const HostMemory memory(16 * kGranule, kDescriptor);
    EXPECT_EQ(free_memory(), before);
}

TEST_F(HostAllocation, IsChargedToTheHostWhenItIsCreated) {
    if (driver().is_simulator()) GTEST_SKIP() << "it takes little of the host for large memory";
    const auto free_of_host = [] {
        std::ifstream lines("/proc/meminfo");
        std::size_t kib = 0;
        for (std::string word; lines >> word;)
            if (word == "MemFree:" && lines >> kib) break;
        return kib << 10;
    };
    constexpr std::size_t kLarge = std::size_t(1) << 30;
    const std::size_t before = free_of_host();
    if (before < 4 * kLarge) GTEST_SKIP() << "the host has little free memory";
    const HostMemory memory(kLarge);
    EXPECT_LT(free_of_host(), before - kLarge / 2) << "nobody has touched it";
}

TEST_F(HostAllocation, MappingKeepsItWhenTheHandleIsReleased) {
    HostMemory memory(kGranule);
    const Mapped mapped(memory);
    write(mapped.address(), pattern(kGranule, 3));
    memory.release();
    EXPECT_EQ(read(mapped.address(), kGranule), pattern(kGranule, 3));
}

// With the device's access alone: processors have none.
TEST_F(HostWork, IsCopiedInAndOut) {
    const HostMemory memory(2 * kGranule);
    const Mapped mapped(memory);
    write(mapped.address(), pattern(mapped.size(), 1));
    EXPECT_EQ(read(mapped.address(), mapped.size()), pattern(mapped.size(), 1));
}

TEST_F(HostWork, IsCopiedToDeviceMemoryAndBack) {
    const Memory near(kGranule);
    const HostMemory far(kGranule);
    const Mapped device(near);
    const Mapped host(far);
    const OwnStream stream;
    write(device.address(), pattern(kGranule, 2));
    EXPECT_EQ(driver().cuMemcpyDtoDAsync(host.address(), device.address(), kGranule, stream.get()), CUDA_SUCCESS);
    EXPECT_EQ(driver().cuMemsetD8Async(device.address(), 0, kGranule, stream.get()), CUDA_SUCCESS);
    EXPECT_EQ(driver().cuStreamSynchronize(stream.get()), CUDA_SUCCESS);
    EXPECT_EQ(read(host.address(), kGranule), pattern(kGranule, 2));
    EXPECT_EQ(driver().cuMemcpyDtoDAsync(device.address(), host.address(), kGranule, stream.get()), CUDA_SUCCESS);
    EXPECT_EQ(driver().cuStreamSynchronize(stream.get()), CUDA_SUCCESS);
    EXPECT_EQ(read(device.address(), kGranule), pattern(kGranule, 2));
}

TEST_F(HostWork, IsCopiedToOtherHostMemory) {
    const HostMemory from(kGranule);
    const HostMemory to(kGranule);
    const Mapped source(from);
    const Mapped target(to);
    const OwnStream stream;
    write(source.address(), pattern(kGranule, 4));
    EXPECT_EQ(driver().cuMemcpyDtoDAsync(target.address(), source.address(), kGranule, stream.get()), CUDA_SUCCESS);
    EXPECT_EQ(driver().cuStreamSynchronize(stream.get()), CUDA_SUCCESS);
    EXPECT_EQ(read(target.address(), kGranule), pattern(kGranule, 4));
}

TEST_F(HostWork, IsCopiedOverTheBorderToDeviceMemory) {
    // extents of two devices in one range were, and extents of host memory by themselves
    const Memory near(kGranule);
    const HostMemory far(kGranule);
    Reservation range(2 * kGranule);
    range.map(near);
    range.map(far, kGranule);
    range.allow();
    write(range.address(kGranule / 2), pattern(kGranule, 6));
    EXPECT_EQ(read(range.address(kGranule / 2), kGranule), pattern(kGranule, 6));
}

TEST_F(HostWork, IsCopiedByEveryDevice) {
    int count = 0;
    require(driver().cuDeviceGetCount(&count), "count devices");
    if (count < 2) GTEST_SKIP() << "one device";
    not_yet_measured();
    const HostMemory memory(kGranule);
    Mapped mapped(memory);
    write(mapped.address(), pattern(kGranule, 8));
    const CUmemAccessDesc access = access_of(1);
    ASSERT_EQ(driver().cuMemSetAccess(mapped.address(), kGranule, &access, 1), CUDA_SUCCESS);
    use_context(1);
    const Bytes found = read(mapped.address(), kGranule);
    use_context(0);
    EXPECT_EQ(found, pattern(kGranule, 8));
}

TEST_F(HostWork, IsSetByTheDevice) {
    const HostMemory memory(kGranule);
    const Mapped mapped(memory);
    const OwnStream stream;
    write(mapped.address(), pattern(kGranule, 7));
    EXPECT_EQ(driver().cuMemsetD8Async(mapped.address(), 0x11, kGranule, stream.get()), CUDA_SUCCESS);
    EXPECT_EQ(driver().cuStreamSynchronize(stream.get()), CUDA_SUCCESS);
    EXPECT_EQ(read(mapped.address(), kGranule), Bytes(kGranule, 0x11));
}

TEST_F(HostWork, IsWrittenByAKernel) {
    CUmodule module = nullptr;
    CUfunction function = nullptr;
    const CUresult loaded = driver().cuModuleLoadData(&module, poke_image());
    if (loaded != CUDA_SUCCESS) GTEST_SKIP() << "no kernel: " << name_of(loaded);
    ASSERT_EQ(driver().cuModuleGetFunction(&function, module, "poke"), CUDA_SUCCESS);
    const HostMemory memory(kGranule);
    const Mapped mapped(memory);
    const OwnStream stream;
    write(mapped.address(), Bytes(kGranule, 0));
    CUdeviceptr where = mapped.address(4096);
    void *params[] = {&where};
    EXPECT_EQ(driver().cuLaunchKernel(function, 1, 1, 1, 1, 1, 1, 0, stream.get(), params, nullptr), CUDA_SUCCESS);
    EXPECT_EQ(driver().cuStreamSynchronize(stream.get()), CUDA_SUCCESS);
    Bytes wanted(kGranule, 0);
    std::fill_n(wanted.begin() + 4096, 4, kPoked);
    EXPECT_EQ(read(mapped.address(), kGranule), wanted);
    EXPECT_EQ(driver().cuModuleUnload(module), CUDA_SUCCESS);
}

TEST_F(HostSharing, DescriptorSharesTheSameBytesBothWays) {
    Creator creator(kDescriptor, 21, Place::host);
    Importer importer(creator.message, &creator.descriptor, 21);
    EXPECT_EQ(importer.imported(), CUDA_SUCCESS);
    EXPECT_TRUE(importer.found());
    importer.fill(22);
    EXPECT_TRUE(creator.holds(22));
}

TEST_F(HostSharing, DescriptorIsMadeByAProcessWithoutAContext) {
    Creator creator(shareable(), 0, Place::host);
    Importer importer(creator.message, &creator.descriptor, 0);
    EXPECT_EQ(importer.imported(), CUDA_SUCCESS);
    importer.fill(23);
    EXPECT_TRUE(Importer(creator.message, &creator.descriptor, 23).found());
}

TEST_F(HostSharing, DescriptorKeepsTheMemoryWhenItsCreatorIsKilled) {
    Creator creator(kDescriptor, 24, Place::host);
    creator.child.kill();
    EXPECT_TRUE(Importer(creator.message, &creator.descriptor, 24).found());
}

TEST_F(HostSharing, ImportIsNotExportedAgain) {
    Creator creator(shareable(), 25, Place::host);
    const Importer importer(creator.message, &creator.descriptor, 25);
    EXPECT_EQ(step(importer.answer, ImporterStep::export_descriptor), CUDA_ERROR_INVALID_VALUE);
    EXPECT_EQ(step(importer.answer, ImporterStep::export_fabric), CUDA_ERROR_INVALID_VALUE);
    EXPECT_EQ(step(importer.answer, ImporterStep::export_retained), CUDA_ERROR_INVALID_VALUE);
}

TEST_F(HostSharing, FabricHandleSharesTheSameBytesBothWays) {
    SKIP_WITHOUT_FABRIC();
    Creator creator(kFabric | kDescriptor, 26, Place::host);
    Importer importer(creator.message, nullptr, 26);
    EXPECT_TRUE(importer.found());
    importer.fill(27);
    EXPECT_TRUE(creator.holds(27));
}

TEST_F(HostSharing, FabricHandleDiesWithItsCreatorButNotWhatIsMapped) {
    SKIP_WITHOUT_FABRIC();
    Creator creator(kFabric | kDescriptor, 28, Place::host);
    Importer mapped(creator.message, nullptr, 28);
    creator.child.kill();
    EXPECT_EQ(Importer(creator.message, nullptr, 28).imported(), CUDA_ERROR_NOT_SUPPORTED);
    mapped.fill(29);
    EXPECT_TRUE(Importer(creator.message, &creator.descriptor, 29).found());
}

TEST_F(HostSharing, ImportSaysThatItIsHostMemory) {
    // an import of device memory doesn't tell its handle types
    Creator creator(kDescriptor, 33, Place::host);
    CUmemGenericAllocationHandle handle = 0;
    ASSERT_EQ(import_descriptor(creator.descriptor.get(), handle), CUDA_SUCCESS);
    const Memory memory(handle, creator.message.size);
    CUmemAllocationProp found = {};
    EXPECT_EQ(driver().cuMemGetAllocationPropertiesFromHandle(&found, memory.handle()), CUDA_SUCCESS);
    EXPECT_EQ(found.location.type, CU_MEM_LOCATION_TYPE_HOST_NUMA);
}

} // namespace
} // namespace gmemfs::conformance
