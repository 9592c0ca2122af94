// Unit tests: opening a driver, and the one table of errors.
#include "tests/support/simulation.hpp"
#include "vmm/device/driver.hpp"

#include <fstream>
#include <regex>
#include <set>
#include <string>

namespace gmemfs {
namespace {

TEST(Driver, AMissingLibraryIsNamed) {
    const auto driver = Driver::open("/nowhere/libcuda.so.1");
    ASSERT_FALSE(driver);
    EXPECT_EQ(driver.error().code, ENOENT);
    EXPECT_NE(driver.error().text().find("/nowhere/libcuda.so.1"), std::string::npos);
}

TEST(Driver, ALibraryThatIsNoDriverIsRefused) {
    const auto driver = Driver::open("libm.so.6");
    ASSERT_FALSE(driver);
    EXPECT_EQ(driver.error().code, ENOSYS);
}

TEST(Driver, FindKnowsWhatItLacks) {
    EXPECT_NE(test::Simulation::get().driver().find("cuMemCreate", 10020), nullptr);
    EXPECT_EQ(test::Simulation::get().driver().find("cuNoSuchThing", 13000), nullptr);
}

// Every enumerator of <cuda.h>, found in its text.
std::set<int> results_of_header() {
    std::set<int> values;
    std::ifstream header(GMEMFS_CUDA_H);
    const std::regex enumerator(R"(^\s*CUDA_ERROR_\w+\s*=\s*(\d+))");
    std::smatch match;
    for (std::string line; std::getline(header, line);)
        if (std::regex_search(line, match, enumerator)) values.insert(std::stoi(match[1]));
    return values;
}

TEST(DriverErrno, EveryFailureHasAnErrno) {
    const std::set<int> values = results_of_header();
    ASSERT_GT(values.size(), 80U) << "the header was not understood";
    for (const int value : values) EXPECT_GT(driver_errno(static_cast<CUresult>(value)).code, 0) << value;
    EXPECT_EQ(driver_errno(CUDA_SUCCESS).code, 0);
    EXPECT_EQ(driver_errno(static_cast<CUresult>(123456)).code, EIO) << "a value of a later driver";
}

TEST(DriverErrno, WhatLosesTheContextIsSticky) {
    EXPECT_TRUE(driver_errno(CUDA_ERROR_ILLEGAL_ADDRESS).sticky);
    EXPECT_TRUE(driver_errno(CUDA_ERROR_ECC_UNCORRECTABLE).sticky);
    EXPECT_FALSE(driver_errno(CUDA_ERROR_OUT_OF_MEMORY).sticky);
}

TEST(DriverErrno, ACallSiteMayKnowBetter) {
    const Driver &driver = test::Simulation::get().driver();
    const auto result = driver.check(CUDA_ERROR_NOT_SUPPORTED, "import", {{CUDA_ERROR_NOT_SUPPORTED, ESTALE}});
    EXPECT_EQ(result.error().code, ESTALE);
    EXPECT_EQ(result.error().driver, CUDA_ERROR_NOT_SUPPORTED);
}

} // namespace
} // namespace gmemfs
