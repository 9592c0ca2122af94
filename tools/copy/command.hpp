// CopyCommand: what the command lines of cp and mv share.
#pragma once

#include "tools/copy/lanes.hpp"
#include "tools/host/progress.hpp"

#include <nlohmann/json_fwd.hpp>

#include <string>

namespace gmemfs {

/// Where a source goes that is copied or moved into a folder: under its own name.
std::string target_in(const std::string &folder, const std::string &source);
/// How many threads copy: as many for each device as the user says; null: by the cores. EINVAL: it is no number.
Result<LaneCount> parse_lanes(const char *threads);
/// For scripts: bytes, and the seconds of moving them and of everything.
nlohmann::json summary_of(const Progress &progress, double all_seconds);

} // namespace gmemfs
