// Conformance: copies between two devices. Skipped where there is one.
#include "tests/conformance/memory.hpp"

#include <gtest/gtest.h>

namespace gmemfs::conformance {
namespace {

class TwoDevices : public ::testing::Test {
protected:
    void SetUp() override {
        int count = 0, can = 0;
        require(driver().cuDeviceGetCount(&count), "count devices");
        if (count < 2) GTEST_SKIP() << "there is one device";
        require(driver().cuDeviceCanAccessPeer(&can, 0, 1), "ask for peer access");
        if (can == 0) GTEST_SKIP() << "the devices don't reach each other";
        contexts_[1] = enter(1);
        contexts_[0] = enter(0);
    }
    void TearDown() override { use_context(0); }

    static CUcontext enter(int device) {
        use_context(device);
        CUcontext context = nullptr;
        require(driver().cuCtxGetCurrent(&context), "get context");
        return context;
    }
    // Memory of each device, mapped for that device alone.
    struct Own {
        Memory memory;
        Reservation range;
        explicit Own(int device) : memory(kGranule, 0, device), range(kGranule) {
            range.map(memory);
            range.allow(CU_MEM_ACCESS_FLAGS_PROT_READWRITE, device);
        }
    };

    CUcontext contexts_[2] = {};
};

TEST_F(TwoDevices, DeviceToDeviceWantsAccessToBoth) { // two H200, driver 580
    Own source(0), target(1);
    const OwnStream stream;
    const Bytes bytes = pattern(kGranule, 51);
    write(source.range.address(), bytes);
    EXPECT_EQ(driver().cuMemcpyDtoDAsync(target.range.address(), source.range.address(), kGranule, stream.get()),
        CUDA_ERROR_INVALID_VALUE);
    target.range.allow(CU_MEM_ACCESS_FLAGS_PROT_READWRITE, 0); // and the other's access stays
    EXPECT_EQ(driver().cuMemcpyDtoDAsync(target.range.address(), source.range.address(), kGranule, stream.get()),
        CUDA_SUCCESS);
    EXPECT_EQ(driver().cuStreamSynchronize(stream.get()), CUDA_SUCCESS);
    EXPECT_EQ(read(target.range.address(), kGranule), bytes);
    enter(1);
    EXPECT_EQ(read(target.range.address(), kGranule), bytes);
}

TEST_F(TwoDevices, CopyThatNamesContextsNeedsNoAccess) { // two H200, driver 580: by way of the host
    Own source(0), target(1);
    const OwnStream stream;
    const Bytes bytes = pattern(kGranule, 52);
    write(source.range.address(), bytes);
    EXPECT_EQ(driver().cuMemcpyPeerAsync(
                  target.range.address(), contexts_[1], source.range.address(), contexts_[0], kGranule, stream.get()),
        CUDA_SUCCESS);
    EXPECT_EQ(driver().cuStreamSynchronize(stream.get()), CUDA_SUCCESS);
    enter(1);
    EXPECT_EQ(read(target.range.address(), kGranule), bytes);
    const OwnStream other; // the target's
    EXPECT_EQ(driver().cuMemcpyPeerAsync(
                  target.range.address(), contexts_[1], source.range.address(), contexts_[0], kGranule, other.get()),
        CUDA_SUCCESS);
    EXPECT_EQ(driver().cuStreamSynchronize(other.get()), CUDA_SUCCESS);
}

TEST_F(TwoDevices, StreamWaitsForAnotherDevicesEvent) {
    Own source(0), target(1);
    const OwnStream stream;
    const Bytes bytes = pattern(kGranule, 53);
    write(source.range.address(), bytes);
    CUevent copied = nullptr;
    require(driver().cuEventCreate(&copied, CU_EVENT_DISABLE_TIMING), "create event");
    ASSERT_EQ(driver().cuMemcpyPeerAsync(
                  target.range.address(), contexts_[1], source.range.address(), contexts_[0], kGranule, stream.get()),
        CUDA_SUCCESS);
    ASSERT_EQ(driver().cuEventRecord(copied, stream.get()), CUDA_SUCCESS);
    enter(1);
    const OwnStream other;
    EXPECT_EQ(driver().cuStreamWaitEvent(other.get(), copied, 0), CUDA_SUCCESS);
    Own second(1);
    EXPECT_EQ(driver().cuMemcpyDtoDAsync(second.range.address(), target.range.address(), kGranule, other.get()),
        CUDA_SUCCESS);
    EXPECT_EQ(driver().cuStreamSynchronize(other.get()), CUDA_SUCCESS);
    EXPECT_EQ(read(second.range.address(), kGranule), bytes);
    enter(0);
    require(driver().cuEventDestroy(copied), "destroy event");
}

} // namespace
} // namespace gmemfs::conformance
