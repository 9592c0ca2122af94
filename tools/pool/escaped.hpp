// Escaped: what NVML charges to a process, less its pool and its context: memory that no file of the mount shows.
//
//     charged    by NVML
//     - files    what the pool has made files of, as the process says
//     - context  what an empty context takes: measured here, by making one, and only where that is asked for
//
// What isn't known is said to be unknown. In a PID namespace of its own NVML's process numbers may be others': there
// they count only where this process has found itself among them.
#pragma once

#include "client/wire/pool_figures.hpp"
#include "tools/pool/nvml.hpp"

#include <map>
#include <memory>
#include <optional>
#include <string>
#include <sys/types.h>

namespace gmemfs {

/// Not thread-safe.
class Escaped {
public:
    enum class Contexts { unknown, measured };
    /// `driver`: user.gmemfs.driver of the mount. Never fails: what can't be asked is unknown.
    Escaped(const std::string &driver, Contexts contexts);

    struct Told {
        std::optional<std::uint64_t> charged, context, escaped;
        std::string why; ///< something is unknown; empty: nothing is
    };
    Told of(pid_t pid, const ReadPoolFigures &figures) const;

private:
    Result<void> measure(const std::string &driver);

    std::unique_ptr<Nvml> nvml_;
    std::string why_nvml_, why_context_;             // each isn't there
    std::map<std::string, std::uint64_t> by_device_; // what an empty context takes
    bool knows_numbers_ = false;                     // NVML's process numbers are this namespace's
};

} // namespace gmemfs
