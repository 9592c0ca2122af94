// Settings: what `gmemfs run` has told this process.
#pragma once

#include "pool/memory/extent_files.hpp"

#include <cstdint>
#include <string>

namespace gmemfs::pool {

/// A plain value.
struct Settings {
    std::string directory, driver; ///< empty: this process isn't run by `gmemfs run`
    std::uint64_t limit = 0;       ///< bytes; 0: none
    ExtentFiles::AtEnd at_end = ExtentFiles::AtEnd::drop;
    enum class Spill { none, host } spill = Spill::none; ///< where what has no room goes
};

/// Read from the environment at the first call. Thread-safe.
const Settings &settings();

} // namespace gmemfs::pool
