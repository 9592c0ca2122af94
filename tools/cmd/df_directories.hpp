// DfDirectories: how much memory of each device the files below each directory have: `gmemfs df --by-directory`.
#pragma once

#include "vmm/base/result.hpp"

#include <nlohmann/json.hpp>

#include <cstddef>
#include <string>

namespace gmemfs {

struct MeasuredDirectories {
    /// `path`; `devices`, `ordinal` and `uuid` of each; `directories`, one for each that lies directly in `path`, and
    /// "." for the files there; `total`. Of these each has `path`, `files`, `devices` (bytes by UUID), `device_memory`
    /// (their sum), `host_memory` and `packed`.
    nlohmann::json told;
    std::size_t failures = 0; ///< files and directories that can't be looked at, each of which was printed
};
/// ENOTDIR: `path` is no directory. EINVAL: it lies in no mount. EINTR: the user has interrupted.
Result<MeasuredDirectories> measure_directories(const std::string &path);
/// What was told, as a table.
void print_directories(const nlohmann::json &told);

} // namespace gmemfs
