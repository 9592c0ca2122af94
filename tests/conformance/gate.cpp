#include "tests/conformance/gate.hpp"

#include "tests/conformance/driver_api.hpp"
#include "tests/conformance/memory.hpp"

#include <atomic>

namespace gmemfs::conformance {
namespace {

std::atomic<bool> g_is_open = false;

void wait_on_host(const gmemfs_lane *, void **, void *(*)(unsigned long long)) { g_is_open.wait(false); }

} // namespace

Gate::Gate(CUstream stream) {
    g_is_open = false;
    CUmodule module = nullptr;
    CUfunction function = nullptr;
    driver().offer_host_kernel("gate", wait_on_host, nullptr, 0);
    require(driver().cuModuleLoadData(&module, "any image"), "load a module");
    require(driver().cuModuleGetFunction(&function, module, "gate"), "find the gate");
    require(driver().cuLaunchKernel(function, 1, 1, 1, 1, 1, 1, 0, stream, nullptr, nullptr), "launch the gate");
}

void Gate::open() {
    g_is_open = true;
    g_is_open.notify_all();
}

} // namespace gmemfs::conformance
