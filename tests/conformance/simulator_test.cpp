// Simulator: what only the simulator does: planned faults, its machines and processes, and unkindness on purpose.
#include "tests/conformance/child.hpp"
#include "tests/conformance/gate.hpp"
#include "tests/conformance/memory.hpp"
#include "tests/conformance/roles.hpp"

#include <gtest/gtest.h>

#include <algorithm>
#include <cerrno>
#include <chrono>
#include <csignal>
#include <cstring>
#include <filesystem>
#include <optional>
#include <sys/mman.h>
#include <sys/stat.h>
#include <unistd.h>

namespace gmemfs::conformance {
namespace {

struct Simulator : testing::Test {
    void SetUp() override { // NOLINT(readability-identifier-naming)
        if (!driver().is_simulator()) GTEST_SKIP() << "a card";
    }
    void TearDown() override { // NOLINT(readability-identifier-naming)
        if (driver().is_simulator()) {
            EXPECT_EQ(driver().set_faults(""), 0);
        }
    }
    static CUresult try_to_create(const CUmemAllocationProp &wanted = properties(0), std::size_t size = kGranule) {
        CUmemGenericAllocationHandle handle = 0;
        const CUresult result = driver().cuMemCreate(&handle, size, &wanted, 0);
        if (result == CUDA_SUCCESS) require(driver().cuMemRelease(handle), "release");
        return result;
    }
};
using SimulatorFaults = Simulator;
using SimulatorMachine = Simulator;

/// Host memory: there is as much as the host has. It is sparse, so taking all of it takes little.
struct SimulatorHost : Simulator {
    /// All but a granule: nobody else may have two.
    static CUresult try_to_take_all() {
        const auto all = std::size_t(::sysconf(_SC_PHYS_PAGES)) * std::size_t(::sysconf(_SC_PAGESIZE));
        return try_to_create(host_properties(0), (all / kGranule - 1) * kGranule);
    }
    static std::string machine(const char *name) {
        return "GMEMFS_SIM_MACHINE=conformance-" + std::string(name) + "-" + std::to_string(::getpid());
    }
};
using SimulatorWork = Simulator;

TEST_F(SimulatorFaults, NthCallFailsOnce) {
    ASSERT_EQ(driver().set_faults("cuMemCreate#2=OUT_OF_MEMORY"), 0);
    EXPECT_EQ(try_to_create(), CUDA_SUCCESS);
    EXPECT_EQ(try_to_create(), CUDA_ERROR_OUT_OF_MEMORY);
    EXPECT_EQ(try_to_create(), CUDA_SUCCESS);
}

TEST_F(SimulatorFaults, NthCallAndEveryLaterOneFail) {
    ASSERT_EQ(driver().set_faults("cuMemCreate#2+=NOT_SUPPORTED"), 0);
    EXPECT_EQ(try_to_create(), CUDA_SUCCESS);
    EXPECT_EQ(try_to_create(), CUDA_ERROR_NOT_SUPPORTED);
    EXPECT_EQ(try_to_create(), CUDA_ERROR_NOT_SUPPORTED);
}

TEST_F(SimulatorFaults, ChanceComesFromTheSeed) {
    const auto failures = [](const std::string &seed) {
        require(driver().set_faults(("cuMemCreate%0.3=UNKNOWN; seed=" + seed).c_str()) == 0 ? CUDA_SUCCESS
                                                                                            : CUDA_ERROR_UNKNOWN,
            "plan faults");
        std::vector<bool> failed(100);
        for (auto &&one : failed) one = try_to_create() != CUDA_SUCCESS;
        return failed;
    };
    const std::vector<bool> first = failures("42");
    EXPECT_EQ(failures("42"), first);
    EXPECT_NE(failures("43"), first);
    const auto count = std::count(first.begin(), first.end(), true);
    EXPECT_GT(count, 10);
    EXPECT_LT(count, 60);
}

TEST_F(SimulatorFaults, AnyCallMayBeTheNth) {
    ASSERT_EQ(driver().set_faults(""), 0);
    { const Mapped mapped{Memory(kGranule)}; }
    const unsigned long calls = driver().call_count();
    EXPECT_EQ(calls, 4U) << "create, reserve, map, set access; what gives back isn't counted";
    const CUmemAllocationProp wanted = properties(0);
    const Memory memory(kGranule);
    CUmemGenericAllocationHandle handle = 0;
    int count = 0;
    ASSERT_EQ(driver().set_faults("*#2=NOT_PERMITTED"), 0);
    EXPECT_EQ(driver().cuDeviceGetCount(&count), CUDA_SUCCESS);
    EXPECT_EQ(driver().cuMemCreate(&handle, kGranule, &wanted, 0), CUDA_ERROR_NOT_PERMITTED);
    EXPECT_EQ(driver().cuDeviceGetCount(&count), CUDA_SUCCESS);
    EXPECT_EQ(driver().call_count(), 3U);
}

TEST_F(SimulatorFaults, CallsCanBeSlow) {
    const OwnStream stream;
    ASSERT_EQ(driver().set_faults("cuStreamSynchronize~20ms"), 0);
    const auto start = std::chrono::steady_clock::now();
    EXPECT_EQ(driver().cuStreamSynchronize(stream.get()), CUDA_SUCCESS);
    EXPECT_GE(std::chrono::steady_clock::now() - start, std::chrono::milliseconds(20));
}

TEST_F(SimulatorFaults, PlanThatCannotBeUnderstoodIsRefusedAndChangesNothing) {
    ASSERT_EQ(driver().set_faults("cuMemCreate#1=OUT_OF_MEMORY"), 0);
    for (const char *plan : {"cuMemCreat#1=OUT_OF_MEMORY", "cuMemCreate#1=OUT_OF_LUCK", "cuMemCreate", "cuMemCreate#1",
             "cuMemCreate#0=UNKNOWN", "cuMemCreate#x=UNKNOWN", "cuMemCreate%2=UNKNOWN", "cuMemCreate~5", "seed=x"})
        EXPECT_EQ(driver().set_faults(plan), EINVAL) << plan;
    EXPECT_EQ(driver().set_faults(nullptr), EINVAL);
    EXPECT_EQ(try_to_create(), CUDA_ERROR_OUT_OF_MEMORY);
}

TEST_F(SimulatorFaults, PlanInTheEnvironmentThatCannotBeUnderstoodFailsInit) {
    Child child("init", {}, {"GMEMFS_SIM_FAULTS=cuNothing#1=UNKNOWN"});
    EXPECT_NE(child.receive().result(0), CUDA_SUCCESS);
}

TEST_F(SimulatorFaults, PlanInTheEnvironmentIsFollowed) {
    Child child("init", {}, {"GMEMFS_SIM_FAULTS=cuMemCreate#1=DEVICE_UNAVAILABLE"});
    const Message answer = child.receive();
    EXPECT_EQ(answer.result(0), CUDA_SUCCESS);
    EXPECT_EQ(answer.result(3), CUDA_ERROR_DEVICE_UNAVAILABLE);
}

TEST_F(SimulatorFaults, StickyResultStaysInTheContext) {
    Child child("copy", {"no-fault"}, {"GMEMFS_SIM_FAULTS=cuMemcpyHtoDAsync#1=ECC_UNCORRECTABLE"});
    const Message answer = child.receive();
    EXPECT_EQ(answer.result(0), CUDA_ERROR_ECC_UNCORRECTABLE);
    EXPECT_EQ(answer.result(1), CUDA_ERROR_ECC_UNCORRECTABLE) << "the wait, too";
}

TEST_F(SimulatorMachine, WithoutAChannelFabricIsNotPermitted) {
    Child child("init", {}, {"GMEMFS_SIM_IMEX=0"});
    const Message answer = child.receive();
    EXPECT_EQ(answer.result(3), CUDA_ERROR_NOT_PERMITTED);
    EXPECT_EQ(answer.results[5], 1) << "the attribute says that it is supported all the same";
}

TEST_F(SimulatorMachine, OldDriverKnowsNoFabric) {
    Child child("init", {}, {"GMEMFS_SIM_DRIVER_VERSION=12020"});
    const Message answer = child.receive();
    EXPECT_EQ(answer.number, 12020U);
    EXPECT_EQ(answer.result(3), CUDA_ERROR_INVALID_VALUE);
    EXPECT_EQ(answer.result(4), CUDA_ERROR_INVALID_VALUE);
}

TEST_F(SimulatorMachine, OlderDriverHasNoSearchByVersion) {
    Child child("init", {}, {"GMEMFS_SIM_DRIVER_VERSION=11080"});
    const Message answer = child.receive();
    EXPECT_EQ(answer.number, 11080U);
    EXPECT_EQ(answer.results[2], 0) << "cuMemCreate isn't found";
}

TEST_F(SimulatorMachine, MayHaveNoDevice) {
    Child child("init", {}, {"GMEMFS_SIM_DEVICES=0"});
    EXPECT_EQ(child.receive().result(0), CUDA_ERROR_NO_DEVICE);
}

TEST_F(SimulatorMachine, DevicesThatMakeNoSenseFailInit) {
    for (const char *devices : {"GMEMFS_SIM_DEVICES=8Q", "GMEMFS_SIM_DEVICES=0x8G", "GMEMFS_SIM_DEVICES=,"}) {
        Child child("init", {}, {devices});
        EXPECT_NE(child.receive().result(0), CUDA_SUCCESS) << devices;
    }
}

TEST_F(SimulatorMachine, HasTheDevicesOfItsFirstProcess) {
    const std::string machine = "GMEMFS_SIM_MACHINE=conformance-sizes-" + std::to_string(::getpid());
    {
        Child first("init", {}, {machine, "GMEMFS_SIM_DEVICES=2x64M"});
        EXPECT_EQ(first.receive().result(0), CUDA_SUCCESS);
        Child same("init", {}, {machine, "GMEMFS_SIM_DEVICES=64M,64M"});
        EXPECT_EQ(same.receive().result(0), CUDA_SUCCESS);
        Child other("init", {}, {machine, "GMEMFS_SIM_DEVICES=64M"});
        EXPECT_EQ(other.receive().result(0), CUDA_ERROR_OPERATING_SYSTEM);
    } // all killed
    Child later("init", {}, {machine, "GMEMFS_SIM_DEVICES=64M"});
    EXPECT_EQ(later.receive().result(0), CUDA_SUCCESS);
    EXPECT_EQ(later.finish(), 0);
}

TEST_F(SimulatorMachine, LeavesNoTableBehind) {
    const std::string name = "conformance-table-" + std::to_string(::getpid());
    const std::filesystem::path table = "/dev/shm/gmemfs-sim-" + std::to_string(::geteuid()) + "-" + name;
    Child child("init", {}, {"GMEMFS_SIM_MACHINE=" + name, "GMEMFS_SIM_DEVICES=64M"});
    child.receive();
    EXPECT_TRUE(std::filesystem::exists(table));
    EXPECT_EQ(child.finish(), 0);
    EXPECT_FALSE(std::filesystem::exists(table));
}

TEST_F(SimulatorMachine, CountsADescriptorWhereItWasMade) {
    const std::string machine = "GMEMFS_SIM_MACHINE=conformance-other-" + std::to_string(::getpid());
    Fd descriptor;
    Child creator("creator", {std::to_string(kDescriptor), "71", "device"}, {machine, "GMEMFS_SIM_DEVICES=64M"});
    Message asked = creator.receive(&descriptor);
    const std::size_t before = free_memory();
    Child importer("importer");
    asked.number = 71;
    importer.send(asked, &descriptor);
    EXPECT_EQ(importer.receive().number, 1U) << "the bytes are there";
    EXPECT_EQ(free_memory(), before) << "and this machine's memory isn't used";
    EXPECT_EQ(importer.finish(), 0);
    EXPECT_EQ(creator.finish(), 0);
}

TEST_F(SimulatorMachine, CountsAgainWhatOnlyADescriptorHeld) {
    const std::size_t before = free_memory();
    Fd descriptor;
    Message asked;
    {
        Child creator("creator", {std::to_string(kDescriptor), "72", "device"});
        asked = creator.receive(&descriptor);
    }
    EXPECT_EQ(free_memory(), before) << "the known kindness: a descriptor alone isn't counted";
    Child importer("importer");
    asked.number = 72;
    importer.send(asked, &descriptor);
    EXPECT_EQ(importer.receive().number, 1U);
    EXPECT_EQ(free_memory(), before - asked.size);
}

TEST_F(SimulatorHost, MemoryIsCountedAndComesBack) {
    ASSERT_EQ(try_to_take_all(), CUDA_SUCCESS);
    {
        const HostMemory memory(2 * kGranule);
        EXPECT_EQ(try_to_take_all(), CUDA_ERROR_OUT_OF_MEMORY);
    }
    EXPECT_EQ(try_to_take_all(), CUDA_SUCCESS);
}

TEST_F(SimulatorHost, MemoryIsCountedForTheWholeMachineAndNoOther) {
    Child other("creator", {std::to_string(kDescriptor), "0", "host"}, {machine("other"), "GMEMFS_SIM_DEVICES=64M"});
    EXPECT_EQ(other.receive().result(std::size_t(CreatorStep::create)), CUDA_SUCCESS);
    EXPECT_EQ(try_to_take_all(), CUDA_SUCCESS);
    Child mine("creator", {std::to_string(kDescriptor), "0", "host"});
    EXPECT_EQ(mine.receive().result(std::size_t(CreatorStep::create)), CUDA_SUCCESS);
    EXPECT_EQ(try_to_take_all(), CUDA_ERROR_OUT_OF_MEMORY);
    mine.kill();
    EXPECT_EQ(try_to_take_all(), CUDA_SUCCESS) << "what a killed process held is swept away";
    EXPECT_EQ(other.finish(), 0);
}

TEST_F(SimulatorHost, MemoryThatOnlyADescriptorHeldIsCountedAgain) {
    Fd descriptor;
    {
        Child creator("creator", {std::to_string(kDescriptor), "0", "host"});
        creator.receive(&descriptor);
    }
    const std::size_t before = free_memory();
    EXPECT_EQ(try_to_take_all(), CUDA_SUCCESS) << "the known kindness: a descriptor alone isn't counted";
    CUmemGenericAllocationHandle handle = 0;
    ASSERT_EQ(import_descriptor(descriptor.get(), handle), CUDA_SUCCESS);
    const Memory memory(handle, 2 * kGranule);
    EXPECT_EQ(try_to_take_all(), CUDA_ERROR_OUT_OF_MEMORY);
    EXPECT_EQ(free_memory(), before) << "and no device's";
}

TEST_F(SimulatorHost, OldDriverKnowsNoHostMemory) {
    Child child("creator", {"0", "0", "host"}, {machine("old"), "GMEMFS_SIM_DRIVER_VERSION=12010"});
    EXPECT_EQ(child.receive().result(std::size_t(CreatorStep::create)), CUDA_ERROR_INVALID_VALUE);
}

TEST_F(SimulatorHost, MemoryIsRefusedAsPlanned) {
    ASSERT_EQ(driver().set_faults("cuMemCreate#1=NOT_PERMITTED; cuMemSetAccess#2=UNKNOWN"), 0);
    EXPECT_EQ(try_to_create(host_properties(0)), CUDA_ERROR_NOT_PERMITTED);
    const HostMemory memory(kGranule);
    const Mapped mapped(memory);
    const CUmemAccessDesc access = access_of_host();
    EXPECT_EQ(driver().cuMemSetAccess(mapped.address(), kGranule, &access, 1), CUDA_ERROR_UNKNOWN);
}

// The known difference from a card, whose device address and host pointer are one.
TEST_F(SimulatorHost, AddressThatDevicesUseIsNoneForProcessors) {
    Child child("load", {"device-address"});
    EXPECT_EQ(child.finish(), 128 + SIGSEGV);
}

TEST_F(SimulatorHost, AddressesForProcessorsAreGivenBack) {
    const HostMemory memory(kGranule);
    std::optional<Mapped> mapped(std::in_place, memory);
    void *const pointer = mapped->host_address();
    EXPECT_EQ(::msync(pointer, kGranule, MS_ASYNC), 0);
    mapped.reset();
    EXPECT_EQ(::msync(pointer, kGranule, MS_ASYNC), -1);
    EXPECT_EQ(errno, ENOMEM) << "nothing is mapped there";
}

TEST_F(SimulatorMachine, SpoiltHandleIsRefused) {
    Child creator("creator", {std::to_string(kFabric), "0", "device"});
    const Message good = creator.receive();
    CUmemGenericAllocationHandle whole = 0;
    Message sent = good;
    ASSERT_EQ(
        driver().cuMemImportFromShareableHandle(&whole, sent.fabric.data(), CU_MEM_HANDLE_TYPE_FABRIC), CUDA_SUCCESS);
    EXPECT_EQ(driver().cuMemRelease(whole), CUDA_SUCCESS);
    for (std::size_t at = 0; at < good.fabric.size(); ++at) {
        Message spoilt = good;
        spoilt.fabric.at(at) ^= 0x15;
        CUmemGenericAllocationHandle handle = 0;
        EXPECT_NE(driver().cuMemImportFromShareableHandle(&handle, spoilt.fabric.data(), CU_MEM_HANDLE_TYPE_FABRIC),
            CUDA_SUCCESS)
            << "byte " << at;
    }
}

TEST_F(SimulatorMachine, ForkedChildIsNotInitialised) {
    Child child("forked");
    const Message answer = child.receive();
    EXPECT_EQ(answer.result(0), CUDA_ERROR_NOT_INITIALIZED);
    EXPECT_EQ(answer.result(1), CUDA_ERROR_NOT_INITIALIZED);
    EXPECT_EQ(child.finish(), 0);
}

TEST_F(SimulatorMachine, LargeMemoryTakesLittleOfTheHost) {
    const Memory memory(128 * kGranule, kDescriptor); // above the size that is dirtied whole
    struct stat status = {};
    ASSERT_EQ(::fstat(memory.export_descriptor().get(), &status), 0);
    EXPECT_LT(std::size_t(status.st_blocks) * 512, memory.size() / 50);
}

TEST_F(SimulatorWork, NewMemoryIsDirty) {
    const Memory memory(2 * kGranule);
    EXPECT_EQ(read(Mapped(memory).address(), memory.size()), Bytes(memory.size(), 0xA5));
}

TEST_F(SimulatorWork, DestinationIsPoisonedUntilTheCopyRuns) {
    const Memory memory(kGranule);
    const Mapped mapped(memory);
    const OwnStream stream;
    Gate gate(stream.get());
    Bytes bytes(4096);
    ASSERT_EQ(driver().cuMemcpyDtoHAsync(bytes.data(), mapped.address(), bytes.size(), stream.get()), CUDA_SUCCESS);
    EXPECT_EQ(bytes, Bytes(4096, 0xDB));
    gate.open();
    ASSERT_EQ(driver().cuStreamSynchronize(stream.get()), CUDA_SUCCESS);
    EXPECT_EQ(bytes, Bytes(4096, 0xA5));
}

TEST_F(SimulatorWork, SourceIsReadWhenTheCopyRuns) {
    const Memory memory(kGranule);
    const Mapped mapped(memory);
    const OwnStream stream;
    Gate gate(stream.get());
    Bytes bytes(4096, 1);
    ASSERT_EQ(driver().cuMemcpyHtoDAsync(mapped.address(), bytes.data(), bytes.size(), stream.get()), CUDA_SUCCESS);
    std::fill(bytes.begin(), bytes.end(), 2); // too early: a bug in a program
    gate.open();
    ASSERT_EQ(driver().cuStreamSynchronize(stream.get()), CUDA_SUCCESS);
    EXPECT_EQ(read(mapped.address(), 4096), Bytes(4096, 2));
}

TEST_F(SimulatorWork, IsNotDoneWhileItIsHeldBack) {
    const OwnStream stream;
    CUevent event = nullptr;
    ASSERT_EQ(driver().cuEventCreate(&event, CU_EVENT_DISABLE_TIMING), CUDA_SUCCESS);
    Gate gate(stream.get());
    EXPECT_EQ(driver().cuEventRecord(event, stream.get()), CUDA_SUCCESS);
    EXPECT_EQ(driver().cuStreamQuery(stream.get()), CUDA_ERROR_NOT_READY);
    EXPECT_EQ(driver().cuEventQuery(event), CUDA_ERROR_NOT_READY);
    gate.open();
    EXPECT_EQ(driver().cuEventSynchronize(event), CUDA_SUCCESS);
    EXPECT_EQ(driver().cuEventDestroy(event), CUDA_SUCCESS);
}

TEST_F(SimulatorWork, MemoryUnmappedUnderAQueuedCopyLosesTheContext) {
    Child child("copy", {"unmapped-later"});
    const Message answer = child.receive();
    EXPECT_EQ(answer.result(0), CUDA_SUCCESS);
    EXPECT_EQ(answer.result(1), CUDA_ERROR_ILLEGAL_ADDRESS);
}

} // namespace
} // namespace gmemfs::conformance
