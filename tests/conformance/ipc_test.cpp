// Conformance: legacy handles (cuIpcGetMemHandle), which `gmemfs run` makes of its own memory (docs/pool.md). All of it
// was measured on an H200, driver 580.
#include "tests/conformance/child.hpp"
#include "tests/conformance/memory.hpp"
#include "tests/conformance/roles.hpp"

#include <gtest/gtest.h>

#include <cstring>

namespace gmemfs::conformance {
namespace {

constexpr unsigned kLazy = CU_IPC_MEM_LAZY_ENABLE_PEER_ACCESS;

/// A process that has plain memory, and what it sent of it.
struct Exporter {
    Child child;
    Message message;
    CUipcMemHandle handle = {};

    explicit Exporter(std::uint64_t seed) : child("legacy", {std::to_string(seed)}), message(child.receive()) {
        std::memcpy(&handle, message.fabric.data(), sizeof handle);
        EXPECT_EQ(at(LegacyStep::allocate), CUDA_SUCCESS);
        EXPECT_EQ(at(LegacyStep::export_handle), CUDA_SUCCESS);
    }
    CUresult at(LegacyStep step) const { return message.result(static_cast<std::size_t>(step)); }
    bool holds(std::uint64_t seed) {
        Message asked;
        asked.number = seed;
        child.send(asked);
        return child.receive().number == 1;
    }
};

TEST(Legacy, HandleSharesTheSameBytesBothWays) {
    use_context();
    Exporter exporter(31);
    CUdeviceptr address = 0, base = 0;
    std::size_t size = 0;
    ASSERT_EQ(driver().cuIpcOpenMemHandle(&address, exporter.handle, kLazy), CUDA_SUCCESS);
    EXPECT_EQ(read(address, exporter.message.size), pattern(exporter.message.size, 31));
    write(address, pattern(exporter.message.size, 32));
    EXPECT_TRUE(exporter.holds(32));
    EXPECT_EQ(driver().cuMemGetAddressRange(&base, &size, address + 1), CUDA_SUCCESS);
    EXPECT_EQ(base, address);
    EXPECT_GE(size, exporter.message.size);
    EXPECT_EQ(driver().cuIpcCloseMemHandle(address), CUDA_SUCCESS);
}

TEST(Legacy, HandleThatIsOpenedTwiceIsClosedTwice) {
    use_context();
    const Exporter exporter(33);
    CUdeviceptr first = 0, second = 0;
    ASSERT_EQ(driver().cuIpcOpenMemHandle(&first, exporter.handle, kLazy), CUDA_SUCCESS);
    ASSERT_EQ(driver().cuIpcOpenMemHandle(&second, exporter.handle, kLazy), CUDA_SUCCESS);
    EXPECT_EQ(first, second);
    EXPECT_EQ(driver().cuIpcCloseMemHandle(first), CUDA_SUCCESS);
    EXPECT_EQ(read(first, exporter.message.size), pattern(exporter.message.size, 33));
    EXPECT_EQ(driver().cuIpcCloseMemHandle(first), CUDA_SUCCESS);
    EXPECT_EQ(driver().cuIpcCloseMemHandle(first), CUDA_ERROR_INVALID_VALUE);
}

TEST(Legacy, HandleIsRefusedToTheProcessThatMadeIt) {
    EXPECT_EQ(Exporter(34).at(LegacyStep::open_own), CUDA_ERROR_INVALID_CONTEXT);
}

TEST(Legacy, ThereIsNoneOfMemoryThatCuMemCreateMade) {
    EXPECT_EQ(Exporter(35).at(LegacyStep::export_created), CUDA_ERROR_INVALID_VALUE);
}

TEST(Legacy, HandleDiesWithItsCreatorButNotWhatIsMapped) {
    use_context();
    Exporter exporter(36);
    CUdeviceptr address = 0, again = 0;
    ASSERT_EQ(driver().cuIpcOpenMemHandle(&address, exporter.handle, kLazy), CUDA_SUCCESS);
    exporter.child.kill();
    EXPECT_EQ(read(address, exporter.message.size), pattern(exporter.message.size, 36));
    EXPECT_EQ(driver().cuIpcCloseMemHandle(address), CUDA_SUCCESS);
    EXPECT_EQ(driver().cuIpcOpenMemHandle(&again, exporter.handle, kLazy), CUDA_ERROR_INVALID_HANDLE);
}

TEST(Legacy, HandleDiesWithTheMemory) {
    use_context();
    Exporter exporter(37);
    Message asked;
    asked.size = 1;
    exporter.child.send(asked);
    EXPECT_EQ(exporter.child.receive().result(static_cast<std::size_t>(LegacyStep::release)), CUDA_SUCCESS);
    CUdeviceptr address = 0;
    EXPECT_EQ(driver().cuIpcOpenMemHandle(&address, exporter.handle, kLazy), CUDA_ERROR_INVALID_VALUE);
}

TEST(Legacy, BytesThatNoDriverMadeAreRefused) {
    use_context();
    CUdeviceptr address = 0;
    CUipcMemHandle handle = {};
    EXPECT_EQ(driver().cuIpcOpenMemHandle(&address, handle, kLazy), CUDA_ERROR_INVALID_VALUE);
    const Bytes bytes = pattern(sizeof handle, 7);
    std::memcpy(&handle, bytes.data(), sizeof handle);
    EXPECT_EQ(driver().cuIpcOpenMemHandle(&address, handle, kLazy), CUDA_ERROR_INVALID_VALUE);
    EXPECT_EQ(driver().cuIpcOpenMemHandle(&address, Exporter(38).handle, 0), CUDA_ERROR_INVALID_VALUE) << "no flag";
}

} // namespace
} // namespace gmemfs::conformance
