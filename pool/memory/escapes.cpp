#include "pool/memory/escapes.hpp"

#include "pool/memory/figures.hpp"

namespace gmemfs::pool {

void Escapes::made(Kind kind, std::uint64_t key, std::uint64_t bytes) {
    const Hold hold(mutex_);
    all_[key] = {kind, bytes};
    own_figures().kinds[kind].count += 1;
    own_figures().kinds[kind].bytes += bytes;
}

void Escapes::gone(std::uint64_t key) {
    const Hold hold(mutex_);
    const auto found = all_.find(key);
    if (found == all_.end()) return;
    const auto [kind, bytes] = found->second;
    own_figures().kinds[kind].count -= 1;
    own_figures().kinds[kind].bytes -= bytes;
    all_.erase(found);
}

void Escapes::made_node() { own_figures().kinds[PoolFigures::graph_nodes].count += 1; }

} // namespace gmemfs::pool
