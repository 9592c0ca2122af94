// Block checks: whether the kernel has the drivers that block devices and swap want.
#include "tools/doctor/checks.hpp"

#include "tools/block/doors.hpp"
#include "tools/block/swap.hpp"

namespace gmemfs {
namespace {

Check check_swap() {
    const Result<block::DoorKind> door = choose_swap_door({});
    if (door) return {"swap", Verdict::ok, std::string("gmemfs swap on goes by ") + block::word_of(*door), ""};
    return {"swap", Verdict::warn, "none", door.error().detail};
}

} // namespace

Checks check_block_devices() {
    const Result<void> ublk = check_ublk(), nbd = check_nbd();
    Checks checks = {ublk ? Check{"ublk", Verdict::ok, "gmemfs block makes /dev/ublkbN", ""}
                          : Check{"ublk", Verdict::warn, "no /dev/ublk-control for this user", ublk.error().detail},
        nbd ? Check{"nbd", Verdict::ok, "gmemfs block --nbd makes /dev/nbdN", ""}
            : Check{"nbd", Verdict::warn, "no nbd driver for this user", nbd.error().detail},
        check_swap()};
    return checks;
}

} // namespace gmemfs
