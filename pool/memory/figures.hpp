// Figures: what this process says of its pool, in memory that `gmemfs pool stat` reads while it runs.
#pragma once

#include "client/wire/pool_figures.hpp"

namespace gmemfs::pool {

/// Made at the first call, and never taken away. Where no memory file can be made nobody else sees them. Thread-safe.
PoolFigures &own_figures();

} // namespace gmemfs::pool
