// Program: finds what `gmemfs run` is to run, and says why the dynamic linker wouldn't let the pool into it.
#pragma once

#include "vmm/base/result.hpp"

#include <string>

namespace gmemfs {

/// The file that execvp(3) would run. ENOENT: there is none. EACCES: it may not be executed.
Result<std::string> find_program(const std::string &name);

/// ENOTSUP: it is linked statically, or against another C library. EPERM: it changes its user, group or capabilities.
/// Of a script its interpreter is looked at.
Result<void> check_program(const std::string &path);

} // namespace gmemfs
