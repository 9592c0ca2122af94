#include "tools/block/doors.hpp"

#include "block/nbd/kernel.hpp"

#include <unistd.h>

namespace gmemfs {

Result<void> check_ublk() {
    constexpr const char *kControl = "/dev/ublk-control";
    if (::access(kControl, R_OK | W_OK) == 0) return {};
    if (errno != ENOENT) return Error{errno, 0, "use ublk", std::string(kControl) + ": it takes root"};
    return Error{ENOENT, 0, "use ublk",
        "modprobe ublk_drv; it takes Linux 6.5 or later with CONFIG_BLK_DEV_UBLK: Debian 13 has it, Debian 12 has it "
        "from "
        "bookworm-backports"};
}

Result<void> check_nbd() {
    const Result<block::nbd::Kernel> kernel = block::nbd::Kernel::create();
    if (!kernel) return Error(kernel.error());
    if (::geteuid() == 0) return {};
    return Error{EPERM, 0, "use nbd", "it takes root"};
}

} // namespace gmemfs
