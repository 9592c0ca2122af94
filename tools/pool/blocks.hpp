// Blocks: what `gmemfs pool stat --blocks FILE` shows: a pool file's blocks.
#pragma once

#include "vmm/base/result.hpp"

#include <nlohmann/json.hpp>

#include <string>

namespace gmemfs {

/// All of them, as `user.gmemfs.pool` tells them. ENODATA: it is no file of a running program's pool.
Result<nlohmann::json> list_blocks(const std::string &path);
void print_blocks(const nlohmann::json &blocks);

} // namespace gmemfs
