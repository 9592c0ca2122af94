// Conformance: copies and fills on streams, and the order of things.
#include "tests/conformance/memory.hpp"

#include <gtest/gtest.h>

#include <cstring>
#include <thread>
#include <vector>

namespace gmemfs::conformance {
namespace {

/// Owns pinned host memory.
class Pinned {
public:
    explicit Pinned(std::size_t size) : size_(size) {
        void *memory = nullptr;
        require(driver().cuMemHostAlloc(&memory, size, 0), "allocate pinned memory");
        bytes_ = static_cast<std::uint8_t *>(memory);
    }
    ~Pinned() { driver().cuMemFreeHost(bytes_); }
    Pinned(const Pinned &) = delete;
    Pinned &operator=(const Pinned &) = delete;
    std::uint8_t *get() const { return bytes_; }
    void fill(const Bytes &bytes) const { std::memcpy(bytes_, bytes.data(), bytes.size()); }
    Bytes bytes() const { return {bytes_, bytes_ + size_}; }

private:
    std::uint8_t *bytes_ = nullptr;
    std::size_t size_;
};

/// Owns an event without timing.
class OwnEvent {
public:
    OwnEvent() { require(driver().cuEventCreate(&event_, CU_EVENT_DISABLE_TIMING), "create an event"); }
    ~OwnEvent() { driver().cuEventDestroy(event_); }
    OwnEvent(const OwnEvent &) = delete;
    OwnEvent &operator=(const OwnEvent &) = delete;
    CUevent get() const { return event_; }

private:
    CUevent event_ = nullptr;
};

constexpr std::size_t kSize = 4 * kGranule;

struct Stream : testing::Test {
    Memory memory{kSize};
    Mapped mapped{memory};
    OwnStream stream;
    Pinned pinned{kSize};

    void wait() const { ASSERT_EQ(driver().cuStreamSynchronize(stream.get()), CUDA_SUCCESS); }
};

TEST_F(Stream, DoesItsWorkInOrder) {
    const Pinned back(kSize);
    pinned.fill(pattern(kSize, 1));
    EXPECT_EQ(driver().cuMemcpyHtoDAsync(mapped.address(), pinned.get(), kSize, stream.get()), CUDA_SUCCESS);
    EXPECT_EQ(driver().cuMemsetD8Async(mapped.address(kGranule), 0x5C, kGranule, stream.get()), CUDA_SUCCESS);
    EXPECT_EQ(
        driver().cuMemcpyDtoDAsync(mapped.address(3 * kGranule), mapped.address(kGranule / 2), kGranule, stream.get()),
        CUDA_SUCCESS);
    EXPECT_EQ(driver().cuMemcpyDtoHAsync(back.get(), mapped.address(), kSize, stream.get()), CUDA_SUCCESS);
    wait();
    Bytes expected = pattern(kSize, 1);
    std::memset(expected.data() + kGranule, 0x5C, kGranule);
    std::memcpy(expected.data() + 3 * kGranule, expected.data() + kGranule / 2, kGranule);
    EXPECT_EQ(back.bytes(), expected);
}

TEST_F(Stream, CopiesAnySizeToAnyPlace) {
    for (const std::size_t size : {std::size_t(1), std::size_t(3), std::size_t(4095), std::size_t(65537)})
        for (const std::size_t offset : {std::size_t(0), std::size_t(1), kGranule - 1}) {
            const Bytes bytes = pattern(size, size + offset);
            write(mapped.address(offset), bytes);
            EXPECT_EQ(read(mapped.address(offset), size), bytes) << size << " at " << offset;
        }
}

TEST_F(Stream, CopiesPageableMemoryToo) {
    const Bytes bytes = pattern(kSize, 2);
    Bytes back(kSize);
    EXPECT_EQ(driver().cuMemcpyHtoDAsync(mapped.address(), bytes.data(), kSize, stream.get()), CUDA_SUCCESS);
    EXPECT_EQ(driver().cuMemcpyDtoHAsync(back.data(), mapped.address(), kSize, stream.get()), CUDA_SUCCESS);
    wait();
    EXPECT_EQ(back, bytes);
}

TEST_F(Stream, CopyOfNothingSucceeds) {
    EXPECT_EQ(driver().cuMemcpyHtoDAsync(mapped.address(), pinned.get(), 0, stream.get()), CUDA_SUCCESS);
    EXPECT_EQ(driver().cuMemcpyDtoHAsync(pinned.get(), mapped.address(), 0, stream.get()), CUDA_SUCCESS);
    EXPECT_EQ(driver().cuMemcpyDtoDAsync(mapped.address(), mapped.address(4096), 0, stream.get()), CUDA_SUCCESS);
    EXPECT_EQ(driver().cuMemsetD8Async(mapped.address(), 0, 0, stream.get()), CUDA_SUCCESS);
    wait();
}

class StreamBatch : public Stream {
public:
    void SetUp() override {
        if (driver().copy_batch == nullptr) GTEST_SKIP() << "the driver has no cuMemcpyBatchAsync of CUDA 13.0";
    }
    CUresult copy(std::vector<CUdeviceptr> targets, std::vector<CUdeviceptr> sources, std::size_t size,
        gmemfs_copy_attributes attributes, CUstream on) const {
        std::vector<std::size_t> sizes(targets.size(), size);
        std::size_t first = 0;
        return driver().copy_batch(
            targets.data(), sources.data(), sizes.data(), targets.size(), &attributes, &first, 1, on);
    }
    static constexpr gmemfs_copy_attributes kInOrder = {1, {}, {}, 0};
};

TEST_F(StreamBatch, CopiesBothWaysBehindWhatWasQueued) {
    constexpr std::size_t kPiece = 4096;
    const Pinned back(kSize);
    pinned.fill(pattern(kSize, 1));
    EXPECT_EQ(driver().cuMemcpyHtoDAsync(mapped.address(), pinned.get(), kSize, stream.get()), CUDA_SUCCESS);
    const auto host = reinterpret_cast<CUdeviceptr>(pinned.get()), target = reinterpret_cast<CUdeviceptr>(back.get());
    // From device to host and from host to device in one, of pieces that don't overlap.
    std::vector<CUdeviceptr> targets, sources;
    for (std::size_t index = 0; index < 32; ++index) {
        const std::size_t even = 2 * index * kPiece, odd = even + kPiece;
        targets.insert(targets.end(), {target + even, mapped.address(odd)});
        sources.insert(sources.end(), {mapped.address(even), host + even});
    }
    EXPECT_EQ(copy(targets, sources, kPiece, kInOrder, stream.get()), CUDA_SUCCESS);
    wait();
    const Bytes expected = pattern(kSize, 1);
    for (std::size_t index = 0; index < 32; ++index) {
        const std::size_t even = 2 * index * kPiece;
        EXPECT_EQ(std::memcmp(back.bytes().data() + even, expected.data() + even, kPiece), 0) << index;
        EXPECT_EQ(read(mapped.address(even + kPiece), kPiece),
            Bytes(expected.begin() + even, expected.begin() + even + kPiece))
            << index;
    }
}

TEST_F(StreamBatch, NeedsAStreamAndAnOrderOfItsSources) { // H200, driver 580
    const auto host = reinterpret_cast<CUdeviceptr>(pinned.get());
    EXPECT_EQ(copy({mapped.address()}, {host}, 4096, kInOrder, nullptr), CUDA_ERROR_INVALID_VALUE);
    EXPECT_EQ(copy({mapped.address()}, {host}, 4096, {0, {}, {}, 0}, stream.get()), CUDA_ERROR_INVALID_VALUE);
    wait();
}

TEST_F(Stream, IsDoneOnceWaitedFor) {
    EXPECT_EQ(driver().cuMemsetD8Async(mapped.address(), 1, kSize, stream.get()), CUDA_SUCCESS);
    const CUresult early = driver().cuStreamQuery(stream.get());
    EXPECT_TRUE(early == CUDA_SUCCESS || early == CUDA_ERROR_NOT_READY) << name_of(early);
    wait();
    EXPECT_EQ(driver().cuStreamQuery(stream.get()), CUDA_SUCCESS);
}

TEST_F(Stream, WaitsForAnotherByAnEvent) {
    const OwnStream other;
    const OwnEvent event;
    for (int round = 0; round < 20; ++round) {
        const auto value = static_cast<unsigned char>(round);
        const Pinned back(kSize);
        EXPECT_EQ(driver().cuMemsetD8Async(mapped.address(), value, kSize, other.get()), CUDA_SUCCESS);
        EXPECT_EQ(driver().cuEventRecord(event.get(), other.get()), CUDA_SUCCESS);
        EXPECT_EQ(driver().cuStreamWaitEvent(stream.get(), event.get(), 0), CUDA_SUCCESS);
        EXPECT_EQ(driver().cuMemcpyDtoHAsync(back.get(), mapped.address(), kSize, stream.get()), CUDA_SUCCESS);
        wait();
        EXPECT_EQ(back.bytes(), Bytes(kSize, value));
    }
}

TEST_F(Stream, EventIsDoneWithTheWorkBeforeIt) {
    const OwnEvent event;
    EXPECT_EQ(driver().cuEventQuery(event.get()), CUDA_SUCCESS) << "never recorded";
    EXPECT_EQ(driver().cuEventSynchronize(event.get()), CUDA_SUCCESS) << "never recorded";
    EXPECT_EQ(driver().cuStreamWaitEvent(stream.get(), event.get(), 0), CUDA_SUCCESS) << "never recorded";
    EXPECT_EQ(driver().cuMemsetD8Async(mapped.address(), 7, kSize, stream.get()), CUDA_SUCCESS);
    EXPECT_EQ(driver().cuMemcpyDtoHAsync(pinned.get(), mapped.address(), kSize, stream.get()), CUDA_SUCCESS);
    EXPECT_EQ(driver().cuEventRecord(event.get(), stream.get()), CUDA_SUCCESS);
    EXPECT_EQ(driver().cuEventSynchronize(event.get()), CUDA_SUCCESS);
    EXPECT_EQ(driver().cuEventQuery(event.get()), CUDA_SUCCESS);
    EXPECT_EQ(pinned.bytes(), Bytes(kSize, 7));
}

TEST_F(Stream, DestroyedWithWorkQueuedStillDoesIt) {
    CUstream short_lived = nullptr;
    ASSERT_EQ(driver().cuStreamCreate(&short_lived, CU_STREAM_NON_BLOCKING), CUDA_SUCCESS);
    EXPECT_EQ(driver().cuMemsetD8Async(mapped.address(), 9, kSize, short_lived), CUDA_SUCCESS);
    const OwnEvent event;
    EXPECT_EQ(driver().cuEventRecord(event.get(), short_lived), CUDA_SUCCESS);
    EXPECT_EQ(driver().cuStreamDestroy(short_lived), CUDA_SUCCESS);
    EXPECT_EQ(driver().cuEventSynchronize(event.get()), CUDA_SUCCESS);
    EXPECT_EQ(read(mapped.address(), kSize), Bytes(kSize, 9));
}

TEST_F(Stream, LegacyOneComesAfterBlockingOnesAndTheyAfterIt) {
    CUstream blocking = nullptr;
    ASSERT_EQ(driver().cuStreamCreate(&blocking, CU_STREAM_DEFAULT), CUDA_SUCCESS);
    for (int round = 0; round < 20; ++round) {
        const auto value = static_cast<unsigned char>(2 * round);
        EXPECT_EQ(driver().cuMemsetD8Async(mapped.address(), value, kSize, blocking), CUDA_SUCCESS);
        EXPECT_EQ(driver().cuMemcpyDtoH(pinned.get(), mapped.address(), kSize), CUDA_SUCCESS);
        EXPECT_EQ(pinned.bytes(), Bytes(kSize, value));
        EXPECT_EQ(driver().cuMemsetD8Async(mapped.address(), value + 1, kSize, nullptr), CUDA_SUCCESS);
        EXPECT_EQ(driver().cuMemcpyDtoHAsync(pinned.get(), mapped.address(), kSize, blocking), CUDA_SUCCESS);
        EXPECT_EQ(driver().cuStreamSynchronize(blocking), CUDA_SUCCESS);
        EXPECT_EQ(pinned.bytes(), Bytes(kSize, value + 1));
    }
    EXPECT_EQ(driver().cuStreamDestroy(blocking), CUDA_SUCCESS);
}

TEST_F(Stream, ContextWaitsForAll) {
    const OwnStream other;
    EXPECT_EQ(driver().cuMemcpyDtoHAsync(pinned.get(), mapped.address(), kSize / 2, stream.get()), CUDA_SUCCESS);
    EXPECT_EQ(driver().cuMemcpyDtoHAsync(pinned.get() + kSize / 2, mapped.address(kSize / 2), kSize / 2, other.get()),
        CUDA_SUCCESS);
    EXPECT_EQ(driver().cuCtxSynchronize(), CUDA_SUCCESS);
    EXPECT_EQ(pinned.bytes(), read(mapped.address(), kSize));
}

TEST_F(Stream, SeveralThreadsWorkAtOnce) {
    constexpr std::size_t kThreads = 4;
    constexpr std::size_t kPart = kSize / kThreads;
    CUcontext context = nullptr;
    ASSERT_EQ(driver().cuCtxGetCurrent(&context), CUDA_SUCCESS);
    std::vector<std::thread> threads;
    for (std::size_t i = 0; i < kThreads; ++i)
        threads.emplace_back([&, i] {
            require(driver().cuCtxSetCurrent(context), "bind the context");
            for (std::uint64_t round = 0; round < 10; ++round) {
                const Bytes bytes = pattern(kPart, 100 * i + round);
                write(mapped.address(i * kPart), bytes);
                EXPECT_EQ(read(mapped.address(i * kPart), kPart), bytes);
                const Memory own(kGranule); // beside the copies of the others
                const Mapped elsewhere(own);
            }
        });
    for (std::thread &thread : threads) thread.join();
}

} // namespace
} // namespace gmemfs::conformance
