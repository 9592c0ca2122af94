// SimulatorPath: where the simulator's library lies, relative to the running program.
#pragma once

#include <string>

namespace gmemfs {

/// The path of the simulator's libcuda.so.1: under `sim/` beside the running program (a build folder), else under
/// `lib/gmemfs/sim/` of the prefix whose `bin/` holds the program (installed, or a bundle). Empty where there is
/// neither. Thread-safe.
std::string simulator_path();

} // namespace gmemfs
