// Spawn: starts this program again in a process of its own, with none of this one's descriptors.
#pragma once

#include "vmm/base/result.hpp"

#include <string>
#include <sys/types.h>
#include <vector>

namespace gmemfs {

/// The descriptor that becomes `extra` in the child.
inline constexpr int kExtraFd = 3;

/// Descriptors of this process that the child gets; -1: it gets none, and /dev/null in place of a standard one.
struct ChildFds {
    int error = -1; ///< its standard error
    int extra = -1; ///< its kExtraFd
};

/// Starts `gmemfs WORDS` in a session of its own, so that no signal of a terminal reaches the child. Safe after cuInit,
/// because this process isn't copied. The caller waits for the child, or leaves that to init. Thread-safe. Errors:
/// posix_spawn(3)'s.
Result<pid_t> spawn_self(std::vector<std::string> words, ChildFds fds);

/// Runs `gmemfs WORDS` to its end, while the main loop of this thread goes on. EIO: the command failed; the detail is
/// what it said, or how it ended. Where standard error is a terminal, the command writes there, its progress included.
Result<void> run_self(const std::vector<std::string> &words);

} // namespace gmemfs
