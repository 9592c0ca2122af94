// Fuzzer: any sequence of messages to a keeper is answered or refused, and none makes it hold more than its limits.
#include "vmm/device/simulator_path.hpp"
#include "vmm/keeper/service.hpp"

#include <cstdlib>
#include <cstring>
#include <unistd.h>

namespace {

using namespace gmemfs;

// The driver is opened once: a process can't close one.
const Driver &driver() {
    static const Driver *const only = [] {
        ::setenv("GMEMFS_SIM_MACHINE", ("fuzz-" + std::to_string(::getpid())).c_str(), 1);
        ::setenv("GMEMFS_SIM_DEVICES", "64M", 1);
        Result<std::unique_ptr<Driver>> opened = Driver::open(simulator_path());
        GMEMFS_ASSERT(opened.has_value());
        return opened->release();
    }();
    return *only;
}

} // namespace

// Each byte string is a list of messages: a byte with the size, and so many bytes. So that ids and devices are hit at
// all, a byte 0xfe in the first message byte stands for a well-formed request made of what follows.
extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t *data, std::size_t size) {
    static const std::vector<DeviceInfo> devices = *query_devices(driver());
    KeeperService service(driver(), devices, HandlePolicy::automatic, 1);
    std::span<const std::uint8_t> left(data, size);
    for (int message = 0; message < 64 && left.size() >= 4; ++message) {
        if (left[0] == 0xfe) {
            keeper_protocol::Request request;
            request.operation = left[1] % 15;
            request.id = left[2];
            request.size = std::uint64_t(left[3]) * MiB;
            request.device_uuid = devices.front().uuid;
            (void)service.serve(std::as_bytes(std::span(&request, 1)));
            left = left.subspan(4);
            continue;
        }
        const std::size_t length = std::min<std::size_t>(left[0], left.size() - 1);
        (void)service.serve(std::as_bytes(left.subspan(1, length)));
        left = left.subspan(1 + length);
    }
    GMEMFS_ASSERT(service.count() <= 32); // 64 MiB in extents of 2 MiB
    return 0;
}
