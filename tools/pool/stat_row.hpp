// Stat row: what `gmemfs pool stat` tells of one process that runs.
#pragma once

#include "tools/pool/escaped.hpp"

#include <nlohmann/json.hpp>

namespace gmemfs {

/// Adds to `row` what the process says of its pool, and what NVML says of the process. null: unknown.
void add_figures(nlohmann::json &row, pid_t pid, const ReadPoolFigures &figures, const Escaped &escaped);
/// Lines below the table: whose the memory is, and what isn't the pool's.
void print_details(const nlohmann::json &row);

} // namespace gmemfs
