// Live count: how many of each kind of driver object this process has now.
#pragma once

#include <string_view>

namespace gmemfs::sim {

/// How many of "allocations", "mappings", "reservations", "pinned", "contexts" (times retained), "modules", "streams"
/// or "events" this process has now: what is left shows what leaked. ULONG_MAX of anything else.
unsigned long live_count(std::string_view what);

} // namespace gmemfs::sim
