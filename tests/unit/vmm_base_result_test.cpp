// Unit tests: Result, Error and TRY.
#include "vmm/base/result.hpp"

#include <gtest/gtest.h>

#include <memory>

namespace gmemfs {
namespace {

Result<std::unique_ptr<int>> half(int value) {
    if (value % 2 != 0) return Error{EDOM, 7, "halve", std::to_string(value)};
    return std::make_unique<int>(value / 2);
}

Result<int> quarter(int value) { return *TRY(half(*TRY(half(value)))); }

Result<void> check_even(int value) {
    TRY(half(value));
    return {};
}

TEST(Result, TryPassesAMoveOnlyValueOn) { EXPECT_EQ(*quarter(12), 3); }

TEST(Result, TryReturnsTheFirstError) {
    const auto result = quarter(6);
    ASSERT_FALSE(result);
    EXPECT_EQ(result.error().code, EDOM);
    EXPECT_EQ(result.error().driver, 7);
    EXPECT_EQ(result.error().detail, "3");
}

TEST(Result, TryWorksInAFunctionThatReturnsNothing) {
    EXPECT_TRUE(check_even(2));
    EXPECT_EQ(check_even(3).error().code, EDOM);
}

TEST(Result, MoveAssignmentReplacesEitherKind) {
    auto result = half(4);
    result = half(3);
    EXPECT_FALSE(result);
    result = half(8);
    ASSERT_TRUE(result);
    EXPECT_EQ(**result, 4);
}

TEST(Error, TextSaysWhatOnWhatAndWhy) {
    EXPECT_EQ((Error{ENOSPC, 2, "create extent", "1 GiB wanted"}.text()),
        "create extent: 1 GiB wanted (No space left on device, CUresult 2)");
    EXPECT_EQ((Error{ENOENT, 0, "look up name", {}}.text()), "look up name (No such file or directory)");
}

} // namespace
} // namespace gmemfs
