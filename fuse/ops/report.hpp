// Report: the server's state as JSON, for user.gmemfs.stats and `gmemfs stat`.
#pragma once

#include <nlohmann/json_fwd.hpp>

namespace gmemfs {

class Server;

/// Sizes in bytes. Thread-safe.
nlohmann::json report(Server &server);

} // namespace gmemfs
