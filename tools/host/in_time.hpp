// InTime: asks a mount's server in a child process, which is left behind where the server doesn't answer.
//
// The kernel doesn't let a process go whose request a server has read and then not answered. So this process doesn't
// ask by itself.
#pragma once

#include "vmm/base/result.hpp"

#include <nlohmann/json_fwd.hpp>

#include <functional>
#include <string>

namespace gmemfs {

/// Runs `ask` in a child process, and returns its answer. ETIMEDOUT: there is none after 5 s; the detail is `path`, and
/// what to do. Errors of `ask` come back as they are. Called before a second thread starts.
Result<nlohmann::json> ask_in_time(const std::string &path, const std::function<Result<nlohmann::json>()> &ask);

} // namespace gmemfs
