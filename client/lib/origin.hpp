// Origin: the process that the library works in. A copy of it (fork, clone) has the objects, and none of what they
// stand for: the driver, the mappings and the leases are the original's.
//
//     page of the original    its pid
//     the same page, a copy   zeros: MADV_WIPEONFORK
//
// Not by the number alone: the first process of a container has the number 1, and so has one that it starts in a
// container of its own.
#pragma once

#include "vmm/base/result.hpp"

namespace gmemfs::client {

/// Whether this process is a copy of one that has used the library. Takes no lock. Thread-safe.
bool is_copy();
/// What every call that would use the driver or the broker begins with. ECHILD: this process is a copy.
Result<void> check_origin();

} // namespace gmemfs::client
