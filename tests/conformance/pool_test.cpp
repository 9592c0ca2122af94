// Conformance: what `gmemfs run` relies on (docs/pool.md): functions by name and by address, copies of descriptors,
// memory by rows and in a stream's order. All of it was seen on an H200 (driver 580).
#include "tests/conformance/memory.hpp"

#include <gtest/gtest.h>

#include <dlfcn.h>
#include <fcntl.h>

namespace gmemfs::conformance {
namespace {

struct Export {
    const char *symbol, *name;
    int version;
    cuuint64_t flags;
};

void *told(const char *name, int version, cuuint64_t flags) {
    void *function = nullptr;
    driver().get_proc_address(name, &function, version, flags, nullptr);
    return function;
}

TEST(Lookup, FormsForAThreadsOwnStreamAreOfVersion7) { // H200, driver 580
    constexpr cuuint64_t kOwnStream = CU_GET_PROC_ADDRESS_PER_THREAD_DEFAULT_STREAM;
    struct Case {
        const char *name;
        int version;
        bool is_found;
    };
    for (const auto &[name, version, is_found] : {Case{"cuMemsetD8", 3020, false}, Case{"cuMemsetD8", 6050, false},
             Case{"cuMemsetD8", 7000, true}, Case{"cuMemcpyHtoDAsync", 4000, false},
             Case{"cuMemcpyHtoDAsync", 7000, true}, Case{"cuStreamSynchronize", 2000, false},
             Case{"cuStreamSynchronize", 13000, true}, Case{"cuMemAlloc", 3020, true}, Case{"cuInit", 2000, true}}) {
        void *function = nullptr;
        CUdriverProcAddressQueryResult status = CU_GET_PROC_ADDRESS_SYMBOL_NOT_FOUND;
        EXPECT_EQ(driver().get_proc_address(name, &function, version, kOwnStream, &status), CUDA_SUCCESS) << name;
        EXPECT_EQ(function != nullptr, is_found) << name << " " << version;
        EXPECT_EQ(status, is_found ? CU_GET_PROC_ADDRESS_SUCCESS : CU_GET_PROC_ADDRESS_VERSION_NOT_SUFFICIENT) << name;
    }
}

TEST(Lookup, AnExportHasTheAddressThatCuGetProcAddressTells) {
    void *const library = ::dlopen(driver().library.c_str(), RTLD_NOW | RTLD_NOLOAD);
    ASSERT_NE(library, nullptr);
    constexpr cuuint64_t kLegacy = CU_GET_PROC_ADDRESS_LEGACY_STREAM;
    constexpr cuuint64_t kPerThread = CU_GET_PROC_ADDRESS_PER_THREAD_DEFAULT_STREAM;
    for (const Export &one : {Export{"cuMemAlloc_v2", "cuMemAlloc", 3020, kLegacy},
             Export{"cuMemFree_v2", "cuMemFree", 3020, kLegacy}, Export{"cuMemCreate", "cuMemCreate", 10020, kLegacy},
             Export{"cuMemAllocAsync", "cuMemAllocAsync", 11020, kLegacy},
             Export{"cuMemAllocAsync_ptsz", "cuMemAllocAsync", 11020, kPerThread},
             Export{"cuMemFreeAsync_ptsz", "cuMemFreeAsync", 11020, kPerThread},
             Export{"cuGetProcAddress_v2", "cuGetProcAddress", 12000, kLegacy},
             Export{"cuGetProcAddress", "cuGetProcAddress", 11030, kLegacy}}) {
        EXPECT_NE(::dlsym(library, one.symbol), nullptr) << one.symbol;
        EXPECT_EQ(::dlsym(library, one.symbol), told(one.name, one.version, one.flags)) << one.symbol;
    }
}

TEST(Descriptor, ACopyOfItImportsWhenTheMemoryAndTheFirstOneAreGone) {
    use_context();
    Fd copy;
    {
        const Memory memory(kGranule, kDescriptor);
        const Mapped range(memory);
        write(range.address(), pattern(kGranule, 5));
        const Fd first = memory.export_descriptor();
        copy = Fd(::fcntl(first.get(), F_DUPFD_CLOEXEC, 0));
    }
    CUmemGenericAllocationHandle handle = 0;
    ASSERT_EQ(import_descriptor(copy.get(), handle), CUDA_SUCCESS);
    const Memory imported(handle, kGranule);
    CUmemAllocationProp properties = {};
    ASSERT_EQ(driver().cuMemGetAllocationPropertiesFromHandle(&properties, handle), CUDA_SUCCESS);
    EXPECT_EQ(properties.location.type, CU_MEM_LOCATION_TYPE_DEVICE);
    EXPECT_EQ(properties.location.id, 0);
    const Mapped again(imported);
    EXPECT_EQ(read(again.address(), kGranule), pattern(kGranule, 5));
}

TEST(Rows, BeginAtMultiplesOf512Bytes) {
    use_context();
    CUdeviceptr address = 0;
    std::size_t pitch = 0;
    EXPECT_EQ(driver().cuMemAllocPitch(&address, &pitch, 100, 7, 3), CUDA_ERROR_INVALID_VALUE);
    ASSERT_EQ(driver().cuMemAllocPitch(&address, &pitch, 100, 7, 4), CUDA_SUCCESS);
    EXPECT_EQ(pitch, 512U);
    EXPECT_EQ(address % 512, 0U);
    EXPECT_EQ(driver().cuMemFree(address), CUDA_SUCCESS);
}

TEST(StreamOrder, MemoryLastsUntilTheStreamHasComeToItsFree) {
    use_context();
    const OwnStream stream;
    CUdeviceptr address = 0;
    Bytes seen(kGranule, kUnread);
    ASSERT_EQ(driver().cuMemAllocAsync(&address, kGranule, stream.get()), CUDA_SUCCESS);
    EXPECT_EQ(driver().cuMemsetD8Async(address, 7, kGranule, stream.get()), CUDA_SUCCESS);
    EXPECT_EQ(driver().cuMemcpyDtoHAsync(seen.data(), address, kGranule, stream.get()), CUDA_SUCCESS);
    EXPECT_EQ(driver().cuMemFreeAsync(address, stream.get()), CUDA_SUCCESS);
    EXPECT_EQ(driver().cuStreamSynchronize(stream.get()), CUDA_SUCCESS);
    EXPECT_EQ(seen, Bytes(kGranule, 7));
}

TEST(StreamOrder, ADevicesPoolIsTheDefaultOneUntilAnotherIsChosen) {
    use_context();
    CUmemoryPool usual = nullptr, chosen = nullptr;
    ASSERT_EQ(driver().cuDeviceGetDefaultMemPool(&usual, 0), CUDA_SUCCESS);
    ASSERT_EQ(driver().cuDeviceGetMemPool(&chosen, 0), CUDA_SUCCESS);
    EXPECT_EQ(usual, chosen);
    const OwnStream stream;
    CUdeviceptr address = 0;
    ASSERT_EQ(driver().cuMemAllocFromPoolAsync(&address, 1000, usual, stream.get()), CUDA_SUCCESS);
    EXPECT_EQ(driver().cuMemFreeAsync(address, stream.get()), CUDA_SUCCESS);
    CUcontext current = nullptr, of_stream = nullptr;
    driver().cuCtxGetCurrent(&current);
    EXPECT_EQ(driver().cuStreamGetCtx(stream.get(), &of_stream), CUDA_SUCCESS);
    EXPECT_EQ(of_stream, current);
}

} // namespace
} // namespace gmemfs::conformance
