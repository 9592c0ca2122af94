// ParityWalk: verifies, scrubs or seals files and what is below directories, range by range, with progress.
#pragma once

#include "client/wire/file_control.hpp"
#include "tools/host/file_walk.hpp"
#include "tools/host/progress.hpp"

#include <cstdint>
#include <string>
#include <vector>

namespace gmemfs {

/// What became of one file.
struct ParityOutcome {
    std::string path;
    int error = 0;       ///< errno; where it isn't 0, only `path` and `message` count
    std::string message; ///< of that error, for people
    std::uint64_t blocks = 0, wrong = 0, repaired = 0, left_wrong = 0;
    std::vector<std::uint64_t> listed; ///< blocks that are still wrong, ascending; the first of each range alone
};

/// Not thread-safe.
class ParityWalk {
public:
    enum class Action { verify, scrub, seal };
    ParityWalk(Action action, Progress::Display display) : action_(action), display_(display) {}

    /// Visits a file, or all files below a directory that lie in the same mount. EINVAL and others: see find_files.
    /// EINTR: the user has interrupted.
    Result<void> visit(const std::string &path);
    /// One for each file that has parity, and for each file that was named and has none.
    const std::vector<ParityOutcome> &outcomes() const { return outcomes_; }
    std::uint64_t without_parity() const { return without_parity_; } ///< files below directories

private:
    Result<void> visit_file(const FoundFile &found);
    Result<void> walk_ranges(int fd, std::uint64_t size, ParityOutcome &outcome);

    const Action action_;
    const Progress::Display display_;
    std::vector<ParityOutcome> outcomes_;
    std::uint64_t without_parity_ = 0;
};

} // namespace gmemfs
