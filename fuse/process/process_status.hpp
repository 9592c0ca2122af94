// Process status: what /proc says of who asks, where a request alone doesn't: supplementary groups and CAP_FSETID.
#pragma once

#include "fuse/core/names/credentials.hpp"

#include <sys/types.h>

namespace gmemfs {

/// Adds groups and capability to `who`, as thread `id` has them at present; nothing where /proc doesn't show it: a
/// thread of another PID namespace, or one that has ended. Takes some 20 us, so only where an answer depends on it.
void add_process_status(Credentials &who, pid_t id);

} // namespace gmemfs
