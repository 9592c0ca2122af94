// Conformance: how to wait for all work on a device and leave other threads' graph captures whole, and what contexts
// that are gone answer. libgmemfs unmaps by these (client/lib/device_wait.hpp).
#include "tests/conformance/memory.hpp"

#include <gtest/gtest.h>

#include <thread>

namespace gmemfs::conformance {
namespace {

constexpr std::size_t kSize = 32 * kGranule;

/// A stream that captures, begun by a thread of its own choice of mode; what was captured is thrown away.
class Capture {
public:
    explicit Capture(CUstreamCaptureMode mode) {
        require(driver().cuStreamBeginCapture(stream_.get(), mode), "begin a capture");
    }
    ~Capture() {
        if (!is_ended_) (void)end();
    }
    Capture(const Capture &) = delete;
    Capture &operator=(const Capture &) = delete;

    CUresult end() {
        is_ended_ = true;
        CUgraph graph = nullptr;
        const CUresult result = driver().cuStreamEndCapture(stream_.get(), &graph);
        if (graph != nullptr) driver().cuGraphDestroy(graph);
        return result;
    }
    CUstream get() const { return stream_.get(); }

private:
    OwnStream stream_;
    bool is_ended_ = false;
};

/// Puts the calling thread into relaxed mode, and back.
class Relaxed {
public:
    Relaxed() { require(driver().cuThreadExchangeStreamCaptureMode(&mode_), "relax"); }
    ~Relaxed() { driver().cuThreadExchangeStreamCaptureMode(&mode_); }
    Relaxed(const Relaxed &) = delete;
    Relaxed &operator=(const Relaxed &) = delete;

private:
    CUstreamCaptureMode mode_ = CU_STREAM_CAPTURE_MODE_RELAXED;
};

// In a thread without a capture of its own, as where a tensor's last reference goes.
template <typename Call>
void in_another_thread(const Call &call) {
    std::thread([&] {
        use_context();
        call();
    }).join();
}

CUresult free_a_byte() {
    CUdeviceptr token = 0;
    const CUresult made = driver().cuMemAlloc(&token, 1);
    return made == CUDA_SUCCESS ? driver().cuMemFree(token) : made;
}

// About 20 ms of an H200's memory rate, on a stream that waits for nobody.
void queue_work(const Reservation &range, CUstream stream) {
    const int rounds = driver().is_simulator() ? 20 : 1000;
    for (int round = 0; round < rounds; ++round)
        ASSERT_EQ(
            driver().cuMemsetD8Async(range.address(), static_cast<unsigned char>(round), kSize, stream), CUDA_SUCCESS);
}

TEST(Wait, FreeingMemoryWaitsForAStreamThatWaitsForNobody) {
    const Memory memory(kSize);
    const Mapped mapped(memory);
    const OwnStream stream;
    CUdeviceptr token = 0;
    require(driver().cuMemAlloc(&token, 1), "allocate a byte");
    queue_work(mapped, stream.get());
    EXPECT_EQ(driver().cuStreamQuery(stream.get()), CUDA_ERROR_NOT_READY) << "too little work to see a wait";
    EXPECT_EQ(driver().cuMemFree(token), CUDA_SUCCESS);
    EXPECT_EQ(driver().cuStreamQuery(stream.get()), CUDA_SUCCESS);
}

TEST(Wait, AllocatingAndFreeingWaitsFromAnotherThreadInRelaxedMode) {
    const Memory memory(kSize);
    const Mapped mapped(memory);
    const OwnStream stream;
    queue_work(mapped, stream.get());
    in_another_thread([] {
        const Relaxed relaxed;
        EXPECT_EQ(free_a_byte(), CUDA_SUCCESS);
    });
    EXPECT_EQ(driver().cuStreamQuery(stream.get()), CUDA_SUCCESS);
}

TEST(Wait, AllocatingAndFreeingAHostsPageWaitsAsWell) {
    const Memory memory(kSize);
    const Mapped mapped(memory);
    const OwnStream stream;
    void *page = nullptr;
    require(driver().cuMemHostAlloc(&page, 1, 0), "allocate a page");
    queue_work(mapped, stream.get());
    EXPECT_EQ(driver().cuStreamQuery(stream.get()), CUDA_ERROR_NOT_READY) << "too little work to see a wait";
    EXPECT_EQ(driver().cuMemFreeHost(page), CUDA_SUCCESS);
    EXPECT_EQ(driver().cuStreamQuery(stream.get()), CUDA_SUCCESS);
}

TEST(Wait, ReleasingAPrimaryContextThatOthersHoldWaitsForNothing) {
    const Memory memory(kSize);
    const Mapped mapped(memory);
    const OwnStream stream;
    CUcontext primary = nullptr;
    require(driver().cuDevicePrimaryCtxRetain(&primary, 0), "retain once more");
    queue_work(mapped, stream.get());
    EXPECT_EQ(driver().cuDevicePrimaryCtxRelease(0), CUDA_SUCCESS);
    EXPECT_EQ(driver().cuStreamQuery(stream.get()), CUDA_ERROR_NOT_READY);
    EXPECT_EQ(driver().cuStreamSynchronize(stream.get()), CUDA_SUCCESS);
}

TEST(Capture, EndsWellWhenNobodyDisturbsIt) {
    Capture capture(CU_STREAM_CAPTURE_MODE_GLOBAL);
    auto status = CU_STREAM_CAPTURE_STATUS_NONE;
    EXPECT_EQ(driver().cuStreamIsCapturing(capture.get(), &status), CUDA_SUCCESS);
    EXPECT_EQ(status, CU_STREAM_CAPTURE_STATUS_ACTIVE);
    EXPECT_EQ(capture.end(), CUDA_SUCCESS);
}

TEST(Capture, IsLostWhenTheContextIsSynchronized) {
    Capture capture(CU_STREAM_CAPTURE_MODE_GLOBAL);
    in_another_thread([] { EXPECT_EQ(driver().cuCtxSynchronize(), CUDA_ERROR_STREAM_CAPTURE_UNSUPPORTED); });
    EXPECT_EQ(capture.end(), CUDA_ERROR_STREAM_CAPTURE_INVALIDATED);
}

TEST(Capture, IsLostWhenTheContextIsSynchronizedInRelaxedModeToo) {
    Capture capture(CU_STREAM_CAPTURE_MODE_GLOBAL);
    in_another_thread([] {
        const Relaxed relaxed;
        EXPECT_EQ(driver().cuCtxSynchronize(), CUDA_ERROR_STREAM_CAPTURE_UNSUPPORTED);
    });
    EXPECT_EQ(capture.end(), CUDA_ERROR_STREAM_CAPTURE_INVALIDATED);
}

TEST(Capture, IsLostWhenMemoryIsFreedInGlobalMode) {
    CUdeviceptr token = 0;
    require(driver().cuMemAlloc(&token, 1), "allocate a byte");
    Capture capture(CU_STREAM_CAPTURE_MODE_GLOBAL);
    in_another_thread([&] { EXPECT_EQ(driver().cuMemFree(token), CUDA_ERROR_STREAM_CAPTURE_UNSUPPORTED); });
    EXPECT_EQ(capture.end(), CUDA_ERROR_STREAM_CAPTURE_INVALIDATED);
    driver().cuMemFree(token);
}

TEST(Capture, StaysWholeWhenMemoryIsAllocatedFreedAndUnmappedInRelaxedMode) {
    for (const auto mode : {CU_STREAM_CAPTURE_MODE_GLOBAL, CU_STREAM_CAPTURE_MODE_THREAD_LOCAL}) {
        Capture capture(mode);
        in_another_thread([] {
            const Relaxed relaxed;
            EXPECT_EQ(free_a_byte(), CUDA_SUCCESS);
            const Memory memory(kGranule);
            const Mapped mapped(memory);
        });
        const Relaxed relaxed; // and in the thread that captures
        EXPECT_EQ(free_a_byte(), CUDA_SUCCESS);
        EXPECT_EQ(capture.end(), CUDA_SUCCESS) << int(mode);
    }
}

TEST(Peers, ADeviceThatCanReachAnothersMemoryIsGivenAccess) {
    int count = 0;
    ASSERT_EQ(driver().cuDeviceGetCount(&count), CUDA_SUCCESS);
    int can = -1;
    EXPECT_EQ(driver().cuDeviceCanAccessPeer(&can, 0, 0), CUDA_SUCCESS);
    EXPECT_EQ(can, 0) << "a device is no peer of itself";
    if (count < 2) GTEST_SKIP() << "one device";
    ASSERT_EQ(driver().cuDeviceCanAccessPeer(&can, 1, 0), CUDA_SUCCESS);
    if (can == 0) GTEST_SKIP() << "device 1 can't reach device 0's memory";
    const Memory memory(kGranule);
    Reservation range(kGranule);
    range.map(memory);
    range.allow(CU_MEM_ACCESS_FLAGS_PROT_READWRITE, 0);
    range.allow(CU_MEM_ACCESS_FLAGS_PROT_READWRITE, 1);
    const Bytes bytes = pattern(kGranule, 7);
    write(range.address(), bytes);
    std::thread([&] {
        use_context(1);
        EXPECT_EQ(read(range.address(), kGranule), bytes);
    }).join();
}

} // namespace
} // namespace gmemfs::conformance
