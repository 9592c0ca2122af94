// Conformance: before cuInit, the search for functions, devices, and what needs a context.
#include "tests/conformance/child.hpp"
#include "tests/conformance/memory.hpp"
#include "tests/conformance/roles.hpp"

#include <gtest/gtest.h>

#include <cstring>
#include <set>
#include <string>
#include <thread>

namespace gmemfs::conformance {
namespace {

TEST(Start, CallsBeforeInitAreRefused) {
    Child child("uninitialised");
    const Message answer = child.receive();
    for (const EarlyStep step : {EarlyStep::count_devices, EarlyStep::create, EarlyStep::release, EarlyStep::reserve,
             EarlyStep::copy, EarlyStep::current_context})
        EXPECT_EQ(answer.result(std::size_t(step)), CUDA_ERROR_NOT_INITIALIZED) << "step " << int(step);
}

TEST(Start, VersionIsKnownBeforeInit) {
    Child child("uninitialised");
    const Message answer = child.receive();
    EXPECT_EQ(answer.result(std::size_t(EarlyStep::version)), CUDA_SUCCESS);
    EXPECT_GE(answer.number, 12000U);
}

TEST(Start, InitAgainSucceeds) { EXPECT_EQ(driver().cuInit(0), CUDA_SUCCESS); }

TEST(Start, InitWithFlagsIsRefused) { EXPECT_EQ(driver().cuInit(1), CUDA_ERROR_INVALID_VALUE); }

TEST(Functions, EveryRequiredOneIsFound) {
#define REQUIRED(name, version) EXPECT_NE(driver().name, nullptr) << #name;
#define OPTIONAL(name, version)
#define ALSO(name, version) EXPECT_NE(driver().name, nullptr) << #name;
#include "tests/conformance/more_entries.def"
#include "vmm/device/driver_entries.def"
#undef REQUIRED
#undef OPTIONAL
#undef ALSO
}

TEST(Functions, UnknownOneIsANullPointer) {
    void *function = &function;
    auto status = CU_GET_PROC_ADDRESS_SUCCESS;
    EXPECT_EQ(driver().get_proc_address("cuNoSuchThing", &function, 12000, 0, &status), CUDA_SUCCESS);
    EXPECT_EQ(function, nullptr);
    EXPECT_EQ(status, CU_GET_PROC_ADDRESS_SYMBOL_NOT_FOUND);
}

TEST(Functions, OneThatIsNewerThanAskedForIsANullPointer) {
    void *function = &function;
    auto status = CU_GET_PROC_ADDRESS_SUCCESS;
    EXPECT_EQ(driver().get_proc_address("cuMemCreate", &function, 10000, 0, &status), CUDA_SUCCESS);
    EXPECT_EQ(function, nullptr);
    EXPECT_EQ(status, CU_GET_PROC_ADDRESS_VERSION_NOT_SUFFICIENT);
}

TEST(Functions, VersionNewerThanTheDriverIsRefused) {
    void *function = nullptr;
    EXPECT_EQ(driver().get_proc_address("cuMemCreate", &function, 99000, 0, nullptr), CUDA_ERROR_INVALID_VALUE);
}

TEST(Errors, HaveNames) {
    const char *name = nullptr;
    ASSERT_EQ(driver().cuGetErrorName(CUDA_ERROR_OUT_OF_MEMORY, &name), CUDA_SUCCESS);
    EXPECT_STREQ(name, "CUDA_ERROR_OUT_OF_MEMORY");
    ASSERT_EQ(driver().cuGetErrorName(CUDA_ERROR_NOT_SUPPORTED, &name), CUDA_SUCCESS);
    EXPECT_STREQ(name, "CUDA_ERROR_NOT_SUPPORTED");
}

TEST(Errors, HaveWords) {
    const char *words = nullptr;
    ASSERT_EQ(driver().cuGetErrorString(CUDA_ERROR_OUT_OF_MEMORY, &words), CUDA_SUCCESS);
    ASSERT_NE(words, nullptr);
    EXPECT_STRNE(words, "");
    EXPECT_STRNE(words, "CUDA_ERROR_OUT_OF_MEMORY");
}

TEST(Errors, UnknownResultHasNone) {
    const char *name = "";
    EXPECT_EQ(driver().cuGetErrorName(static_cast<CUresult>(123456), &name), CUDA_ERROR_INVALID_VALUE);
    EXPECT_EQ(name, nullptr);
}

int count_devices() {
    int count = 0;
    require(driver().cuDeviceGetCount(&count), "count devices");
    return count;
}

TEST(Devices, HaveVirtualMemoryAndDescriptors) {
    for (int device = 0; device < count_devices(); ++device)
        for (const auto attribute : {CU_DEVICE_ATTRIBUTE_VIRTUAL_MEMORY_MANAGEMENT_SUPPORTED,
                 CU_DEVICE_ATTRIBUTE_HANDLE_TYPE_POSIX_FILE_DESCRIPTOR_SUPPORTED}) {
            int value = 0;
            EXPECT_EQ(driver().cuDeviceGetAttribute(&value, attribute, device), CUDA_SUCCESS);
            EXPECT_EQ(value, 1) << "attribute " << attribute << " of device " << device;
        }
}

// H200, driver 580: says 1 with and without an IMEX channel, so creation alone tells.
TEST(Devices, SayThatFabricIsSupportedWhetherItIsOrNot) {
    int value = 0;
    EXPECT_EQ(driver().cuDeviceGetAttribute(&value, CU_DEVICE_ATTRIBUTE_HANDLE_TYPE_FABRIC_SUPPORTED, 0), CUDA_SUCCESS);
    EXPECT_EQ(value, 1);
}

TEST(Devices, HaveNamesUuidsAndAddressesOfTheirOwn) {
    std::set<std::string> uuids;
    std::set<std::string> addresses;
    for (int device = 0; device < count_devices(); ++device) {
        char name[256] = {};
        char address[32] = {};
        CUuuid uuid = {};
        EXPECT_EQ(driver().cuDeviceGetName(name, sizeof name, device), CUDA_SUCCESS);
        EXPECT_STRNE(name, "");
        EXPECT_EQ(driver().cuDeviceGetUuid(&uuid, device), CUDA_SUCCESS);
        EXPECT_EQ(driver().cuDeviceGetPCIBusId(address, sizeof address, device), CUDA_SUCCESS);
        uuids.emplace(uuid.bytes, sizeof uuid.bytes);
        addresses.emplace(address);
    }
    EXPECT_EQ(uuids.size(), std::size_t(count_devices()));
    EXPECT_EQ(addresses.size(), std::size_t(count_devices()));
}

TEST(Devices, OrdinalThatIsNoneIsRefused) {
    CUdevice device = 0;
    EXPECT_EQ(driver().cuDeviceGet(&device, count_devices()), CUDA_ERROR_INVALID_DEVICE);
    EXPECT_EQ(driver().cuDeviceGet(&device, -1), CUDA_ERROR_INVALID_DEVICE);
}

TEST(Context, IsOneForTheDeviceHoweverOftenItIsRetained) {
    CUcontext first = nullptr;
    CUcontext second = nullptr;
    EXPECT_EQ(driver().cuDevicePrimaryCtxRetain(&first, 0), CUDA_SUCCESS);
    EXPECT_EQ(driver().cuDevicePrimaryCtxRetain(&second, 0), CUDA_SUCCESS);
    EXPECT_EQ(first, second);
    EXPECT_EQ(driver().cuDevicePrimaryCtxRelease(0), CUDA_SUCCESS);
    EXPECT_EQ(driver().cuDevicePrimaryCtxRelease(0), CUDA_SUCCESS);
}

// What is granted may be more than what was asked for: <cuda.h> has the driver round up.
TEST(Context, HasLimitsThatMayBeLowered) {
    use_context();
    for (const auto limit : {CU_LIMIT_STACK_SIZE, CU_LIMIT_PRINTF_FIFO_SIZE, CU_LIMIT_MALLOC_HEAP_SIZE}) {
        std::size_t before = 0;
        std::size_t least = 0;
        std::size_t more = 0;
        ASSERT_EQ(driver().cuCtxGetLimit(&before, limit), CUDA_SUCCESS) << int(limit);
        EXPECT_EQ(driver().cuCtxSetLimit(limit, 0), CUDA_SUCCESS) << int(limit);
        EXPECT_EQ(driver().cuCtxGetLimit(&least, limit), CUDA_SUCCESS) << int(limit);
        EXPECT_LT(least, before) << int(limit);
        EXPECT_EQ(driver().cuCtxSetLimit(limit, least + 160), CUDA_SUCCESS) << int(limit);
        EXPECT_EQ(driver().cuCtxGetLimit(&more, limit), CUDA_SUCCESS) << int(limit);
        EXPECT_GE(more, least + 160) << int(limit);
        EXPECT_EQ(driver().cuCtxSetLimit(limit, before), CUDA_SUCCESS) << int(limit);
    }
}

TEST(Context, ALimitThatTheDeviceLacksIsRefused) {
    use_context();
    if (CUdevice device = 0, major = 0;
        driver().cuDeviceGetAttribute(&major, CU_DEVICE_ATTRIBUTE_COMPUTE_CAPABILITY_MAJOR, device) == CUDA_SUCCESS &&
        major < 9)
        GTEST_SKIP() << "devices before compute capability 9.0 have it";
    EXPECT_EQ(driver().cuCtxSetLimit(CU_LIMIT_DEV_RUNTIME_SYNC_DEPTH, 2), CUDA_ERROR_UNSUPPORTED_LIMIT);
}

TEST(Context, IsNeededForLimits) {
    std::thread([] {
        std::size_t size = 0;
        EXPECT_EQ(driver().cuCtxSetLimit(CU_LIMIT_STACK_SIZE, 1024), CUDA_ERROR_INVALID_CONTEXT);
        EXPECT_EQ(driver().cuCtxGetLimit(&size, CU_LIMIT_STACK_SIZE), CUDA_ERROR_INVALID_CONTEXT);
    }).join();
}

// A thread begins without a context.
TEST(Context, IsNotNeededToCreateAndExport) { // H200, driver 580
    std::thread([] {
        CUcontext context = nullptr;
        EXPECT_EQ(driver().cuCtxGetCurrent(&context), CUDA_SUCCESS);
        EXPECT_EQ(context, nullptr);
        const Memory memory(kGranule, kDescriptor);
        EXPECT_TRUE(memory.export_descriptor());
    }).join();
}

TEST(Context, IsNotNeededToMap) {
    const Memory memory(kGranule);
    std::thread([&] { const Mapped mapped(memory); }).join();
}

TEST(Context, IsNeededForWorkAndPinnedMemory) {
    const Memory memory(kGranule);
    const Mapped mapped(memory);
    std::thread([&] {
        CUstream stream = nullptr;
        CUevent event = nullptr;
        CUmodule module = nullptr;
        void *pinned = nullptr;
        std::size_t free = 0;
        std::size_t total = 0;
        char byte = 0;
        EXPECT_EQ(driver().cuMemGetInfo(&free, &total), CUDA_ERROR_INVALID_CONTEXT);
        EXPECT_EQ(driver().cuStreamCreate(&stream, CU_STREAM_NON_BLOCKING), CUDA_ERROR_INVALID_CONTEXT);
        EXPECT_EQ(driver().cuEventCreate(&event, CU_EVENT_DISABLE_TIMING), CUDA_ERROR_INVALID_CONTEXT);
        EXPECT_EQ(driver().cuMemHostAlloc(&pinned, 4096, 0), CUDA_ERROR_INVALID_CONTEXT);
        EXPECT_EQ(driver().cuMemcpyHtoDAsync(mapped.address(), &byte, 1, nullptr), CUDA_ERROR_INVALID_CONTEXT);
        EXPECT_EQ(driver().cuModuleLoadData(&module, "no image"), CUDA_ERROR_INVALID_CONTEXT);
    }).join();
}

// A server's thread that has no context must still be able to wait before it gives memory back.
TEST(Context, IsNotNeededToWaitForAStream) {
    const OwnStream stream;
    std::thread([&] { EXPECT_EQ(driver().cuStreamSynchronize(stream.get()), CUDA_SUCCESS); }).join();
}

TEST(Context, MayBeCurrentInSeveralThreads) {
    const Memory memory(kGranule);
    const Mapped mapped(memory);
    std::thread([&] {
        use_context();
        write(mapped.address(), pattern(4096, 5));
        EXPECT_EQ(driver().cuDevicePrimaryCtxRelease(0), CUDA_SUCCESS);
    }).join();
    EXPECT_EQ(read(mapped.address(), 4096), pattern(4096, 5));
}

} // namespace
} // namespace gmemfs::conformance
