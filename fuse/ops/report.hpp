// Report: what the server tells of itself: user.gmemfs.stats, and what `gmemfs stat` shows of a mount.
#pragma once

#include <nlohmann/json.hpp>

namespace gmemfs {

class Server;

/// Sizes in bytes. Thread-safe.
nlohmann::json report(Server &server);

} // namespace gmemfs
