// Origin: tells the process that uses the library from its copies (fork, clone), which must not use it.
//
// A copy has the library's objects, but the driver, the mappings and the leases that they stand for are the original's.
//
//     page of the original    its pid
//     the same page, a copy   zeros: MADV_WIPEONFORK
//
// The pid alone doesn't tell them apart: the first process of a container has the pid 1, and so has a process that it
// starts in a container of its own.
#pragma once

#include "vmm/base/result.hpp"

namespace gmemfs::client {

/// Whether this process is a copy of one that has used the library. Takes no lock. Thread-safe.
bool is_copy();
/// Every call that would use the driver or the broker begins with this. ECHILD: this process is a copy.
Result<void> check_origin();

} // namespace gmemfs::client
