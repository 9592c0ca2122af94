// InTime: what a mount's server is asked, by a process that is left behind where it doesn't answer.
//
// The kernel lets nobody go who asked a server that has read the request and is stopped: so this process doesn't ask.
#pragma once

#include "vmm/base/result.hpp"

#include <nlohmann/json.hpp>

#include <functional>
#include <string>

namespace gmemfs {

/// The answer of `ask`, which runs in a child process. ETIMEDOUT: there is none after 5 s; the detail is `path`, and
/// what to do. Errors of `ask` come back as they are. Before a second thread starts.
Result<nlohmann::json> ask_in_time(const std::string &path, const std::function<Result<nlohmann::json>()> &ask);

} // namespace gmemfs
