// keeper: the process that holds a mount's memory; `gmemfs mount` starts it, nobody calls it (docs/keeper.md).
#include "fuse/process/inheritance.hpp"
#include "fuse/process/spawn.hpp"
#include "tools/host/command.hpp"
#include "vmm/keeper/service.hpp"

#include <csignal>
#include <cstdio>
#include <string_view>
#include <sys/random.h>

namespace gmemfs {
namespace {

constexpr int kListener = kExtraFd; // see RuntimeFolder::start_keeper

std::uint64_t random_nonce() {
    std::uint64_t nonce = 0;
    GMEMFS_ASSERT(
        ::getrandom(&nonce, sizeof nonce, 0) == sizeof nonce); // so few bytes always come whole (getrandom(2))
    return nonce;
}

} // namespace

int run_keeper(int argc, char **argv) {
    const std::optional<HandlePolicy> policy = handle_policy_of(argc == 4 ? argv[2] : "");
    if (!policy) {
        std::fputs("gmemfs keeper: `gmemfs mount` starts it; it is of no use by hand\n", stderr);
        return kUsage;
    }
    leave_inheritance(kListener); // of the descriptors a simulated extent takes one, and so may a driver's
    std::signal(SIGPIPE, SIG_IGN);
    Fd listener(kListener);
    Result<std::unique_ptr<Driver>> driver = Driver::open(argv[1]);
    Result<std::vector<DeviceInfo>> devices = driver ? query_living_devices(**driver) : Error(driver.error());
    if (!devices) {
        KeeperService service(devices.error());
        (void)serve_keeper(service, std::move(listener)); // the server that asks is told why
        return kFailure;
    }
    if (!devices->empty())
        if (Result<DeviceInfo> host = DeviceInfo::query_host(**driver, *devices); host)
            devices->push_back(*std::move(host));
    KeeperService service(**driver, *std::move(devices), *policy, random_nonce());
    const Result<void> served = serve_keeper(service, std::move(listener));
    return served ? 0 : fail(served.error());
}

} // namespace gmemfs
