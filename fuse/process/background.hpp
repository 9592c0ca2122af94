// Background: the command returns when the mount answers; the server goes on.
//
// It forks before the driver is opened, because no process may fork after cuInit. The first process waits at a pipe for
// one byte ("ready"), for the text of an error, or for the end of the second one.
#pragma once

#include "vmm/base/fd.hpp"

#include <optional>
#include <string>

namespace gmemfs {

/// In the second process: how it tells the first one. Not thread-safe.
class Background {
public:
    struct Side;
    /// Returns in both processes. Called before a second thread starts.
    static Result<Side> fork();

    void ready();                       ///< the first process leaves with 0; the terminal is let go
    void fail(const std::string &line); ///< it prints the line, and leaves with 1

private:
    explicit Background(Fd pipe) : pipe_(std::move(pipe)) {}

    Fd pipe_;
};

/// Where fork() returned: in the second process, which goes on as the server; or in the first one, when the second is
/// ready or has failed.
struct Background::Side {
    std::optional<Background> second; ///< set in the second process
    int exit_status = 0;              ///< of the first one
};

/// From here on nobody reads what this process prints.
void detach_from_terminal();

} // namespace gmemfs
