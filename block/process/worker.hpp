// Worker: the process that has a disk's memory mapped and serves it; or, warm and asleep, the spare of one that does.
#pragma once

#include "vmm/base/fd.hpp"

namespace gmemfs::block {

/// Where `gmemfs-block --work` finds its supervisor.
inline constexpr int kWorkerSocket = 3;

/// Gets a Setup by `supervisor`, a SOCK_SEQPACKET socket, makes everything, says so, and serves when it is told to.
/// Where the supervisor has ended, it goes on. Returns when it is told to stop, or can serve no more.
Result<void> run_worker(Fd supervisor);

} // namespace gmemfs::block
