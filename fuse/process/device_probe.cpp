#include "fuse/process/device_probe.hpp"

#include "fuse/process/spawn.hpp"
#include "vmm/base/fd.hpp"

#include <csignal>
#include <poll.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <unistd.h>

namespace gmemfs {
namespace {

constexpr int kPatienceMs = 10000; // cuInit and a context take 0.5 s (H200); of a lost card a call may never return

} // namespace

bool serves_another_process(const Device &device) {
    const Result<pid_t> pid = spawn_self({"probe", device.driver().library, device.info().uuid_text()}, {});
    if (!pid) return false;
    const Fd ended(static_cast<int>(::syscall(SYS_pidfd_open, *pid, 0)));
    pollfd waited = {ended.get(), POLLIN, 0};
    int count = 0;
    do {
        count = ::poll(&waited, 1, kPatienceMs);
    } while (count < 0 && errno == EINTR);
    if (count <= 0) ::kill(*pid, SIGKILL);
    int status = -1;
    // One that hangs in the driver can't be killed, and is left to init.
    if (::waitpid(*pid, &status, count <= 0 ? WNOHANG : 0) != *pid) return false;
    return count > 0 && status == 0;
}

} // namespace gmemfs
