// Conformance tests: every fact of the driver that gmemfs relies on, by the raw driver API.
//
//     conformance-tests [--driver=LIBRARY] [GoogleTest's options]
//
// The same on the simulator and on a card. LIBRARY is libcuda.so.1 unless it, or GMEMFS_TEST_DRIVER, says otherwise.
// Exit status 77: there is no such library. It needs about 100 MiB of device memory, all sizes of memory are asked for
// but never touched in the cases that run out of it, and no multicast object is ever made.
#include "tests/conformance/child.hpp"
#include "tests/conformance/driver_api.hpp"
#include "tests/conformance/measured.hpp"
#include "tests/conformance/memory.hpp"
#include "tests/conformance/roles.hpp"

#include <gtest/gtest.h>

#include <atomic>
#include <csignal>
#include <cstdio>
#include <cstdlib>
#include <string>
#include <unistd.h>

namespace gmemfs::conformance {
namespace {

constexpr int kSkipped = 77;
std::atomic<int> g_unmeasured = 0;

// What the simulator is to be; a card's driver doesn't look. What the user has set stays.
void describe_machine() {
    ::setenv("GMEMFS_SIM_MACHINE", ("conformance-" + std::to_string(::getpid())).c_str(), 0);
    ::setenv("GMEMFS_SIM_DEVICES", "512M,256M", 0);
}

std::string value_of(const std::string &option, const std::string &name) {
    return option.compare(0, name.size(), name) == 0 ? option.substr(name.size()) : std::string();
}

struct Started : testing::Environment {
    void SetUp() override { // NOLINT(readability-identifier-naming)
        require(driver().cuInit(0), "initialise");
        use_context();
    }
};

} // namespace

void not_yet_measured() { ++g_unmeasured; }
int count_of_not_yet_measured() { return g_unmeasured; }

} // namespace gmemfs::conformance

int main(int argc, char **argv) {
    using namespace gmemfs::conformance; // NOLINT(google-build-using-namespace): main is this namespace's
    const char *const wanted = std::getenv("GMEMFS_TEST_DRIVER");
    std::string library = wanted != nullptr ? wanted : "libcuda.so.1";
    std::string role;
    std::vector<std::string> arguments;
    testing::InitGoogleTest(&argc, argv);
    for (int i = 1; i < argc; ++i) {
        const std::string option = argv[i];
        if (option == "--driver" && i + 1 < argc)
            library = argv[++i];
        else if (const std::string value = value_of(option, "--driver="); !value.empty())
            library = value;
        else if (const std::string played = value_of(option, "--role="); !played.empty())
            role = played;
        else if (!role.empty())
            arguments.push_back(option);
        else
            return std::fprintf(stderr, "usage: conformance-tests [--driver=LIBRARY] [--gtest_...]\n"), 2;
    }
    ::signal(SIGPIPE, SIG_IGN);
    describe_machine();
    if (!load_driver(library)) return kSkipped;
    set_program(library);
    if (!role.empty()) return play(role, arguments);
    testing::AddGlobalTestEnvironment(new Started); // GoogleTest owns it
    const int status = RUN_ALL_TESTS();
    std::printf("driver: %s, %s\n%d of the cases that ran are not yet measured on a card\n", library.c_str(),
        driver().is_simulator() ? "the simulator" : "a card", count_of_not_yet_measured());
    return status;
}
