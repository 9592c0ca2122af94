// Status: what supervisors, and workers that have lost theirs, say of a device to `gmemfs block --list`.
#pragma once

#include "block/process/setup.hpp"

#include <nlohmann/json.hpp>

#include <string>

namespace gmemfs::block {

/// What both can say; each adds what only it knows.
inline nlohmann::json describe(const Plan &plan, const std::string &device, int number) {
    return {{"device", device}, {"number", number}, {"file", plan.file}, {"size", plan.size},
        {"door", word_of(plan.door)}, {"read_only", plan.mode == Mode::read_only},
        {"locked", plan.locking == Locking::required}, {"queues", plan.queues}, {"verify", plan.sums != 0},
        {"thin", plan.parts != 0}};
}

} // namespace gmemfs::block
