// Unit tests: what a device's context is given, and what it keeps when somebody else has made it.
#include "tests/support/simulation.hpp"

namespace gmemfs {
namespace {

using test::must;

class DeviceTest : public test::OnSimulation {
protected:
    const Driver &driver() { return simulation().driver(); }
    std::size_t limit(CUlimit which) {
        must(simulation().device().make_current());
        const auto read = reinterpret_cast<CUresult (*)(std::size_t *, CUlimit)>(driver().find("cuCtxGetLimit", 3010));
        std::size_t size = 0;
        EXPECT_EQ(read(&size, which), CUDA_SUCCESS);
        return size;
    }
};

TEST_F(DeviceTest, AContextOfOurOwnHasWhatKernelsNeed) {
    EXPECT_EQ(limit(CU_LIMIT_PRINTF_FIFO_SIZE), 0U);
    EXPECT_EQ(limit(CU_LIMIT_MALLOC_HEAP_SIZE), 0U);
    EXPECT_LT(limit(CU_LIMIT_STACK_SIZE), 1024U) << "a driver's own choice";
    const std::size_t wanted = limit(CU_LIMIT_STACK_SIZE) + 16;
    must(simulation().device().keep_stack(wanted));
    EXPECT_EQ(limit(CU_LIMIT_STACK_SIZE), wanted);
    must(simulation().device().keep_stack(wanted - 16));
    EXPECT_EQ(limit(CU_LIMIT_STACK_SIZE), wanted) << "those that need more are still there";
}

TEST_F(DeviceTest, AContextThatWasThereIsLeftAsItIs) {
    const std::size_t before = limit(CU_LIMIT_STACK_SIZE);
    EXPECT_EQ(driver().cuCtxSetLimit(CU_LIMIT_STACK_SIZE, 4096), CUDA_SUCCESS);
    EXPECT_EQ(driver().cuCtxSetLimit(CU_LIMIT_PRINTF_FIFO_SIZE, 8192), CUDA_SUCCESS);
    const auto again = must(Device::open(driver(), simulation().device().info()));
    must(again->keep_stack(8192));
    EXPECT_EQ(limit(CU_LIMIT_STACK_SIZE), 4096U);
    EXPECT_EQ(limit(CU_LIMIT_PRINTF_FIFO_SIZE), 8192U);
    EXPECT_EQ(driver().cuCtxSetLimit(CU_LIMIT_STACK_SIZE, before), CUDA_SUCCESS);
    EXPECT_EQ(driver().cuCtxSetLimit(CU_LIMIT_PRINTF_FIFO_SIZE, 0), CUDA_SUCCESS);
}

TEST_F(DeviceTest, ALimitThatIsRefusedIsNoErrorAndAFullDeviceIs) {
    const std::size_t wanted = limit(CU_LIMIT_STACK_SIZE) + 16;
    simulation().plan_faults("cuCtxSetLimit#1=OUT_OF_MEMORY");
    EXPECT_EQ(test::code_of(simulation().device().keep_stack(wanted)), ENOSPC);
    must(simulation().device().keep_stack(wanted));
    EXPECT_EQ(limit(CU_LIMIT_STACK_SIZE), wanted);
    simulation().plan_faults("cuCtxSetLimit#1=UNSUPPORTED_LIMIT; cuCtxSetLimit#2=INVALID_VALUE");
    must(simulation().device().keep_stack(wanted + 16));
    must(simulation().device().keep_stack(wanted + 32));
    EXPECT_EQ(limit(CU_LIMIT_STACK_SIZE), wanted);
}

} // namespace
} // namespace gmemfs
