// Loss: a device that is lost while others live: one context of several, and what the simulator plans for one device.
#include "tests/conformance/child.hpp"
#include "tests/conformance/measured.hpp"
#include "tests/conformance/memory.hpp"
#include "tests/conformance/roles.hpp"

#include <gtest/gtest.h>

#include <cerrno>
#include <string>

namespace gmemfs::conformance {
namespace {

bool has_two_devices() {
    int count = 0;
    require(driver().cuDeviceGetCount(&count), "count devices");
    return count > 1;
}

// A kernel that writes where nothing is mapped costs one device's context, and the process goes on with the other.
TEST(Lost, ContextOfOneDeviceCostsTheOtherNothing) {
    if (!has_two_devices()) GTEST_SKIP() << "there is one device";
    not_yet_measured();
    Child child("lose-one");
    const Message answer = child.receive();
    const auto result = [&](LossStep which) { return answer.result(std::size_t(which)); };
    if (result(LossStep::load) != CUDA_SUCCESS) GTEST_SKIP() << "no kernel: " << name_of(result(LossStep::load));
    for (const LossStep lost : {LossStep::synchronise, LossStep::wait_for_lost})
        EXPECT_EQ(result(lost), CUDA_ERROR_ILLEGAL_ADDRESS) << "step " << int(lost);
    for (const LossStep alive : {LossStep::bind, LossStep::write, LossStep::wait, LossStep::read, LossStep::wait_again,
             LossStep::create, LossStep::unmap, LossStep::unpin})
        EXPECT_EQ(result(alive), CUDA_SUCCESS) << "step " << int(alive);
    EXPECT_EQ(answer.number, 1U) << "memory that was pinned under the lost context";
    EXPECT_EQ(child.finish(), 0);
}

struct SimulatorLoss : testing::Test {
    void SetUp() override { // NOLINT(readability-identifier-naming)
        if (!driver().is_simulator()) GTEST_SKIP() << "a card";
        if (!has_two_devices()) GTEST_SKIP() << "there is one device";
    }
    void TearDown() override { // NOLINT(readability-identifier-naming)
        use_context(0);
        if (driver().is_simulator()) plan("");
    }
    static void plan(const std::string &text) { EXPECT_EQ(driver().set_faults(text.c_str()), 0); }
    static CUresult create(int device) {
        const CUmemAllocationProp wanted = properties(0, device);
        CUmemGenericAllocationHandle handle = 0;
        const CUresult result = driver().cuMemCreate(&handle, kGranule, &wanted, 0);
        if (result == CUDA_SUCCESS) require(driver().cuMemRelease(handle), "release");
        return result;
    }
    static CUresult look_at(int device) {
        CUdevice found = 0;
        return driver().cuDeviceGet(&found, device);
    }
};

TEST_F(SimulatorLoss, PlanForADeviceCountsTheCallsThatAreAboutIt) {
    plan("cuMemCreate@1#2=OUT_OF_MEMORY");
    EXPECT_EQ(create(1), CUDA_SUCCESS);
    for (int turn = 0; turn < 3; ++turn) EXPECT_EQ(create(0), CUDA_SUCCESS);
    EXPECT_EQ(create(1), CUDA_ERROR_OUT_OF_MEMORY);
    EXPECT_EQ(create(1), CUDA_SUCCESS);
}

TEST_F(SimulatorLoss, CallOnAStreamIsAboutTheDeviceOfItsContext) {
    const Mapped mapped{Memory(kGranule)};
    use_context(1);
    const OwnStream other;
    use_context(0);
    const OwnStream stream;
    plan("cuMemcpyHtoDAsync@1#1=NOT_PERMITTED; cuStreamSynchronize@1#2=TIMEOUT");
    const Bytes bytes(4096);
    EXPECT_EQ(driver().cuMemcpyHtoDAsync(mapped.address(), bytes.data(), bytes.size(), stream.get()), CUDA_SUCCESS);
    EXPECT_EQ(driver().cuStreamSynchronize(stream.get()), CUDA_SUCCESS);
    EXPECT_EQ(driver().cuStreamSynchronize(other.get()), CUDA_SUCCESS) << "the first, whichever context is current";
    EXPECT_EQ(driver().cuStreamSynchronize(stream.get()), CUDA_SUCCESS);
    EXPECT_EQ(driver().cuStreamSynchronize(other.get()), CUDA_ERROR_TIMEOUT);
}

TEST_F(SimulatorLoss, LostDeviceIsLostToEveryProcessUntilItIsBack) {
    const std::string machine = "GMEMFS_SIM_MACHINE=conformance-loss-" + std::to_string(::getpid());
    const std::string devices = "GMEMFS_SIM_DEVICES=64M,64M";
    Child first("look", {"1"}, {machine, devices, "GMEMFS_SIM_FAULTS=*@1#1+=SYSTEM_NOT_READY"});
    EXPECT_EQ(first.receive().result(0), CUDA_ERROR_SYSTEM_NOT_READY);
    Child second("look", {"1"}, {machine, devices});
    EXPECT_EQ(second.receive().result(0), CUDA_ERROR_SYSTEM_NOT_READY);
    Child other("look", {"0"}, {machine, devices});
    EXPECT_EQ(other.receive().result(0), CUDA_SUCCESS);
    Child back("look", {"1"}, {machine, devices, "GMEMFS_SIM_FAULTS=*@1#1+=SUCCESS"});
    EXPECT_EQ(back.receive().result(0), CUDA_SUCCESS);
    second.send();
    EXPECT_EQ(second.receive().result(0), CUDA_SUCCESS);
}

TEST_F(SimulatorLoss, LostDeviceFailsWhatIsAboutItAndGivesBack) {
    int count = 0, can = 0;
    const Memory memory(kGranule, 0, 1);
    Reservation range(kGranule);
    range.map(memory);
    plan("*@1#1+=NO_DEVICE");
    EXPECT_EQ(look_at(1), CUDA_ERROR_NO_DEVICE);
    EXPECT_EQ(look_at(0), CUDA_SUCCESS);
    EXPECT_EQ(driver().cuDeviceGetCount(&count), CUDA_SUCCESS);
    EXPECT_EQ(create(1), CUDA_ERROR_NO_DEVICE);
    EXPECT_EQ(create(0), CUDA_SUCCESS);
    EXPECT_EQ(driver().cuDeviceCanAccessPeer(&can, 0, 1), CUDA_ERROR_NO_DEVICE);
    const CUmemAccessDesc access = access_of(1);
    EXPECT_EQ(driver().cuMemSetAccess(range.address(), kGranule, &access, 1), CUDA_ERROR_NO_DEVICE);
    EXPECT_EQ(driver().cuMemUnmap(range.address(), kGranule), CUDA_SUCCESS);
    range.map(Memory(kGranule)); // so that it has what it will unmap
    plan("*@1#1+=SUCCESS");
    EXPECT_EQ(look_at(1), CUDA_SUCCESS);
}

TEST_F(SimulatorLoss, PlanForADeviceThatIsNoneIsRefused) {
    for (const char *wrong : {"cuMemCreate@x#1=UNKNOWN", "cuMemCreate@99#1=UNKNOWN", "@1#1=UNKNOWN",
             "cuMemCreate@1#1=SUCCESS", "*@1#1=SUCCESS", "*#1+=SUCCESS"})
        EXPECT_EQ(driver().set_faults(wrong), EINVAL) << wrong;
}

} // namespace
} // namespace gmemfs::conformance
