#include "vmm/sim/live_count.hpp"

#include "vmm/sim/process.hpp"
#include "vmm/sim/streams.hpp"

#include <climits>
#include <mutex>

namespace gmemfs::sim {

unsigned long live_count(std::string_view what) {
    Process *const mine = process();
    if (mine == nullptr) return 0;
    if (what == "streams") return stream_count();
    if (what == "events") return event_count();
    if (what == "modules") return mine->modules.load();
    const std::lock_guard<std::mutex> hold(mine->mutex);
    if (what == "allocations") return mine->handles.size();
    if (what == "mappings") return mine->mappings.size();
    if (what == "reservations") return mine->reservations.size();
    if (what == "pinned") return mine->pinned.size();
    if (what != "contexts") return ULONG_MAX;
    unsigned long retained = 0;
    for (const auto &context : mine->primary) retained += context ? context->retain_count.load() : 0;
    return retained;
}

} // namespace gmemfs::sim
