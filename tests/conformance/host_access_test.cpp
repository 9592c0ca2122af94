// Conformance: access to host memory for processors, and what pointers to it say.
//
// Measured on an H200, driver 580, in a machine with one node, where a case doesn't say otherwise.
#include "tests/conformance/measured.hpp"
#include "tests/conformance/peers.hpp"

#include <gtest/gtest.h>

#include <algorithm>
#include <csignal>
#include <string>

namespace gmemfs::conformance {
namespace {

template <typename Value>
CUresult ask(Value &value, CUpointer_attribute which, CUdeviceptr address) {
    return driver().cuPointerGetAttribute(&value, which, address);
}

/// What a child loaded by the processor, and how it ended.
struct Load {
    Child child;
    explicit Load(const std::string &what) : child("load", {what}) {}
    bool is_killed() {
        const int status = child.finish();
        return status == 128 + SIGSEGV || status == 128 + SIGBUS;
    }
};

struct HostAccess : testing::Test {
    void SetUp() override { // NOLINT(readability-identifier-naming)
        if (!has_host_memory()) GTEST_SKIP() << "a device that maps no memory of the host";
    }
};
using HostPointer = HostAccess;

TEST_F(HostAccess, ProcessorsLoadWhatTheDeviceWrote) {
    const HostMemory memory(2 * kGranule);
    Mapped mapped(memory);
    mapped.allow_host();
    write(mapped.address(), pattern(mapped.size(), 11));
    const std::uint8_t *const bytes = mapped.host_pointer();
    EXPECT_EQ(Bytes(bytes, bytes + mapped.size()), pattern(mapped.size(), 11));
}

TEST_F(HostAccess, DevicesReadWhatProcessorsStored) {
    const HostMemory memory(2 * kGranule);
    Mapped mapped(memory);
    mapped.allow_host();
    const Bytes stored = pattern(mapped.size(), 12);
    std::copy(stored.begin(), stored.end(), mapped.host_pointer());
    EXPECT_EQ(read(mapped.address(), mapped.size()), stored);
}

TEST_F(HostAccess, ProcessorsFaultBeforeItIsSet) { // whatever access the device has
    EXPECT_TRUE(Load("closed").is_killed());
}

TEST_F(HostAccess, ProcessorsOfTheSameChildLoadOnceItIsSet) {
    Load load("open");
    EXPECT_EQ(load.child.receive().number, pattern(kGranule, 5).front());
    EXPECT_EQ(load.child.finish(), 0);
}

TEST_F(HostAccess, ProcessorsFaultWhenItIsTakenAway) { EXPECT_TRUE(Load("taken-away").is_killed()); }

TEST_F(HostAccess, ProcessorsFaultOnceTheMemoryIsUnmapped) { EXPECT_TRUE(Load("unmapped").is_killed()); }

TEST_F(HostAccess, ProcessorsFaultWhereTheMemoryIsMappedAnew) {
    // a device's access is lost with the unmap
    EXPECT_TRUE(Load("mapped-anew").is_killed());
}

TEST_F(HostAccess, ProcessorsMayBeLetLoadOnly) {
    Load load("read-only");
    EXPECT_EQ(load.child.receive().number, pattern(kGranule, 5).front());
    EXPECT_TRUE(load.is_killed());
}

TEST_F(HostAccess, OfDevicesAndProcessorsIsSetInOneCall) {
    const HostMemory memory(kGranule);
    Reservation range(kGranule);
    range.map(memory);
    const CUmemAccessDesc both[] = {access_of(0), access_of_host()};
    ASSERT_EQ(driver().cuMemSetAccess(range.address(), range.size(), both, 2), CUDA_SUCCESS);
    write(range.address(), pattern(kGranule, 13));
    EXPECT_EQ(Bytes(range.host_pointer(), range.host_pointer() + kGranule), pattern(kGranule, 13));
}

TEST_F(HostAccess, OfProcessorsToDeviceMemoryIsNotSupported) {
    const Memory memory(kGranule);
    Mapped mapped(memory);
    const CUmemAccessDesc access = access_of_host();
    EXPECT_EQ(driver().cuMemSetAccess(mapped.address(), kGranule, &access, 1), CUDA_ERROR_NOT_SUPPORTED);
}

TEST_F(HostAccess, OfProcessorsToARangeWithDeviceMemoryIsNotSupported) {
    const Memory near(kGranule);
    const HostMemory far(kGranule);
    Reservation range(2 * kGranule);
    range.map(far);
    range.map(near, kGranule);
    const CUmemAccessDesc access = access_of_host();
    EXPECT_EQ(driver().cuMemSetAccess(range.address(), range.size(), &access, 1), CUDA_ERROR_NOT_SUPPORTED);
}

TEST_F(HostAccess, SeveralExtentsAreOneRangeForProcessors) {
    const HostMemory parts[] = {HostMemory(kGranule), HostMemory(2 * kGranule)};
    Reservation range(3 * kGranule);
    range.map(parts[0]);
    range.map(parts[1], kGranule);
    range.allow();
    range.allow_host();
    write(range.address(), pattern(range.size(), 14));
    EXPECT_EQ(Bytes(range.host_pointer(), range.host_pointer() + range.size()), pattern(range.size(), 14));
}

TEST_F(HostAccess, ProcessorsOfAnImporterLoadAndStore) {
    Creator creator(kDescriptor, 31, Place::host);
    CUmemGenericAllocationHandle handle = 0;
    ASSERT_EQ(import_descriptor(creator.descriptor.get(), handle), CUDA_SUCCESS);
    const Memory memory(handle, creator.message.size);
    Mapped mapped(memory);
    mapped.allow_host();
    std::uint8_t *const bytes = mapped.host_pointer();
    EXPECT_EQ(Bytes(bytes, bytes + memory.size()), pattern(memory.size(), 31));
    const Bytes stored = pattern(memory.size(), 32);
    std::copy(stored.begin(), stored.end(), bytes);
    EXPECT_TRUE(creator.holds(32));
}

TEST_F(HostPointer, IsOfHostMemoryOfTheFirstDevice) {
    const HostMemory memory(kGranule);
    const Mapped mapped(memory);
    unsigned type = 0;
    int ordinal = -1;
    EXPECT_EQ(ask(type, CU_POINTER_ATTRIBUTE_MEMORY_TYPE, mapped.address(4096)), CUDA_SUCCESS);
    EXPECT_EQ(type, unsigned(CU_MEMORYTYPE_HOST));
    EXPECT_EQ(ask(ordinal, CU_POINTER_ATTRIBUTE_DEVICE_ORDINAL, mapped.address(4096)), CUDA_SUCCESS);
    EXPECT_EQ(ordinal, 0);
}

TEST_F(HostPointer, OfTheDeviceIsTheAddress) {
    const HostMemory memory(kGranule);
    const Mapped mapped(memory);
    CUdeviceptr found = 0;
    EXPECT_EQ(ask(found, CU_POINTER_ATTRIBUTE_DEVICE_POINTER, mapped.address(4096)), CUDA_SUCCESS);
    EXPECT_EQ(found, mapped.address(4096));
}

TEST_F(HostPointer, OfTheHostIsTheAddress) {
    if (driver().is_simulator()) GTEST_SKIP() << "device addresses carry a bit there that no address of a host has";
    const HostMemory memory(kGranule);
    const Mapped mapped(memory);
    mapped.allow_host();
    CUdeviceptr found = 0;
    EXPECT_EQ(ask(found, CU_POINTER_ATTRIBUTE_HOST_POINTER, mapped.address(4096)), CUDA_SUCCESS);
    EXPECT_EQ(found, mapped.address(4096));
}

TEST_F(HostPointer, IsNoneWhereProcessorsHaveNoAccess) {
    const HostMemory memory(kGranule);
    const Mapped mapped(memory);
    CUdeviceptr found = 0;
    EXPECT_EQ(ask(found, CU_POINTER_ATTRIBUTE_HOST_POINTER, mapped.address()), CUDA_ERROR_INVALID_VALUE);
}

TEST_F(HostPointer, LeadsToItsDevicePointer) {
    const HostMemory memory(kGranule);
    const Mapped mapped(memory);
    mapped.allow_host();
    const auto pointer = reinterpret_cast<CUdeviceptr>(mapped.host_pointer());
    CUdeviceptr found = 0;
    EXPECT_EQ(ask(found, CU_POINTER_ATTRIBUTE_DEVICE_POINTER, pointer + 4096), CUDA_SUCCESS);
    EXPECT_EQ(found, mapped.address(4096));
    EXPECT_EQ(ask(found, CU_POINTER_ATTRIBUTE_HOST_POINTER, pointer + 4096), CUDA_SUCCESS);
    EXPECT_EQ(found, pointer + 4096);
}

TEST_F(HostPointer, IsNoneOfDeviceMemory) {
    const Memory memory(kGranule);
    const Mapped mapped(memory);
    CUdeviceptr found = 0;
    EXPECT_EQ(ask(found, CU_POINTER_ATTRIBUTE_HOST_POINTER, mapped.address()), CUDA_ERROR_INVALID_VALUE);
}

} // namespace
} // namespace gmemfs::conformance
