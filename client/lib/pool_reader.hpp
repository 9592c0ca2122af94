// Pool reader: finds what a process says of its pool.
#pragma once

#include "client/wire/pool_figures.hpp"
#include "vmm/base/result.hpp"

#include <string>
#include <sys/types.h>

namespace gmemfs::client {

/// A copy, as plain numbers. ENOENT: there is no such process, or it has no pool. EACCES: this user may not look into
/// it.
Result<ReadPoolFigures> read_pool_figures(pid_t pid);

/// Of the process that has this directory, or had: then ENOENT. EINVAL: it is none's.
Result<ReadPoolFigures> read_pool_figures(const std::string &directory);

} // namespace gmemfs::client
