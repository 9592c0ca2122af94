// RingPlan: which worker serves which of the kernel's queues.
//
// The kernel has a queue for each processor that the machine may have. It puts a request into the queue of the
// processor that the client runs on. It hands out no request before each queue has an entry.
#pragma once

#include "vmm/base/limits.hpp"
#include "vmm/base/result.hpp"

#include <optional>
#include <string_view>
#include <vector>

namespace gmemfs {

/// What one worker of the ring serves: an entry of each of these queues.
struct RingPlan {
    std::vector<unsigned> queues;
    std::optional<unsigned> processor = {}; ///< the worker is bound to it
    bool is_idle = false;                   ///< for processors that aren't online, and may come
};

/// Workers on the same processor: while one waits for the device, or for a lock, another serves.
inline constexpr unsigned kRingWorkersPerQueue = 2;
inline constexpr unsigned kRingWorkersMax = kWorkersMax;

/// Reads a list of processors as the kernel writes it: "0-3,8". EINVAL: `list` is no such list.
Result<std::vector<unsigned>> parse_processors(std::string_view list);

/// `queues` is how many queues there are: one for each possible processor. Each processor that is `online` gets workers
/// of its own, which are bound to it, as long as there are enough workers. Else a worker serves several queues, and is
/// bound to no processor.
std::vector<RingPlan> plan_rings(unsigned queues, const std::vector<unsigned> &online);

/// The same, of this machine.
Result<std::vector<RingPlan>> plan_rings();

} // namespace gmemfs
