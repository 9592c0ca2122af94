// Background: lets a command return when its mount answers, while the server goes on in a second process.
//
// The command forks before the driver is opened, because no process may fork after cuInit. The first process waits at a
// pipe for one byte ("ready"), for the text of an error, or for the end of the second process.
#pragma once

#include "vmm/base/fd.hpp"

#include <optional>
#include <string>

namespace gmemfs {

/// The second process's end of that pipe. Not thread-safe.
class Background {
public:
    struct Side;
    /// Returns in both processes. Called before a second thread starts.
    static Result<Side> fork();

    void ready();                       ///< the first process exits with 0; this one leaves the terminal
    void fail(const std::string &line); ///< the first process prints the line, and exits with 1

private:
    explicit Background(Fd pipe) : pipe_(std::move(pipe)) {}

    Fd pipe_;
};

/// In which process fork() returned: in the second one, which goes on as the server; or in the first one, once the
/// second is ready or has failed.
struct Background::Side {
    std::optional<Background> second; ///< set in the second process
    int exit_status = 0;              ///< of the first one
};

/// From here on nobody reads what this process prints.
void detach_from_terminal();

} // namespace gmemfs
