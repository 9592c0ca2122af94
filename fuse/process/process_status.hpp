// Process status: a caller's supplementary groups and CAP_FSETID, from /proc, because a request doesn't carry them.
#pragma once

#include "fuse/core/names/credentials.hpp"

#include <sys/types.h>

namespace gmemfs {

/// Adds to `who` the groups and the capability that thread `id` has at present. Adds nothing where /proc doesn't show
/// the thread, because it is of another PID namespace or has ended. Takes some 20 us, so call it only where an answer
/// depends on it.
void add_process_status(Credentials &who, pid_t id);

} // namespace gmemfs
