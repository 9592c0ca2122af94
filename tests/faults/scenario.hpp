// Scenario: steps on a world: what is done first, and what the faults walk through.
#pragma once

#include "tests/faults/world.hpp"

#include <functional>
#include <ostream>
#include <string>
#include <vector>

namespace gmemfs::test {

/// One operation. A plain value.
struct Step {
    std::string name;
    std::function<Result<void>(World &)> run;
    /// What it makes of the model once it has succeeded; a step that has failed has changed nothing ...
    std::function<void(std::map<std::string, Bytes> &)> expect = [](auto &) {};
    /// ... but the bytes of this range of a file, which may then be anything (write(2) that failed half-way).
    struct Undecided {
        std::string file = {};
        std::uint64_t from = 0, to = 0;
    } undecided = {};
};

/// Where the memory is kept while the faults walk: in the world itself, in a process of its own, or once in each.
enum class Keepers { both, local, served };

struct Scenario {
    std::string name; ///< letters and digits alone
    World::Shape shape = {};
    std::vector<Step> setup = {};
    std::vector<Step> walked = {};
    Keepers keepers = Keepers::both;
};
inline void PrintTo(const Scenario &scenario, std::ostream *to) { *to << scenario.name; } // NOLINT: GoogleTest's name

/// Together they use everything that calls the driver.
std::vector<Scenario> all_scenarios();

} // namespace gmemfs::test
