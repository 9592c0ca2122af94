// Escapes: what the program has of the driver itself, because the pool has no such memory: so that it can be told.
#pragma once

#include "client/wire/pool_figures.hpp"
#include "vmm/base/lock.hpp"

#include <cstdint>
#include <map>
#include <utility>

namespace gmemfs::pool {

/// Thread-safe. Each function is called after the driver has done it; what isn't known is ignored.
class Escapes {
public:
    using Kind = PoolFigures::Kind;
    /// `key` is the address, or the array's handle.
    void made(Kind kind, std::uint64_t key, std::uint64_t bytes) EXCLUDES(mutex_);
    void gone(std::uint64_t key) EXCLUDES(mutex_);
    static void made_node(); ///< of a graph; the driver tells nobody when it goes

private:
    Mutex mutex_;
    std::map<std::uint64_t, std::pair<Kind, std::uint64_t>> all_ GUARDED_BY(mutex_);
};

} // namespace gmemfs::pool
