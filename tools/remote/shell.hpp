// RemoteShell: starts gmemfs on another host, by ssh or whatever command takes its place, and talks to it.
//
//     COMMAND HOST PROGRAM send --stdio        COMMAND: "ssh" where the user names none
//
// No path is part of that command line, so nothing has to be quoted for the other host's shell.
#pragma once

#include "tools/remote/frame.hpp"

#include <memory>
#include <string>
#include <sys/types.h>
#include <vector>

namespace gmemfs {

/// "HOST:PATH".
struct RemotePath {
    std::string host, path;
    std::string shown() const { return host + ":" + path; }
};
/// EINVAL: `text` has no colon before its first slash, or nothing before or behind that. "[::1]:/path" names an address
/// with colons.
Result<RemotePath> parse_remote_path(const std::string &text);

struct ShellSettings {
    std::string command = "ssh";    ///< may have quoted words
    std::string program = "gmemfs"; ///< the other host's
};

/// Owner of the process. Not thread-safe.
class RemoteShell {
public:
    /// `words` follow the program's name there. EINVAL: the command can't be split into words. Else posix_spawn(3)'s:
    /// ENOENT: no such command.
    static Result<std::unique_ptr<RemoteShell>> start(
        const ShellSettings &settings, const std::string &host, const std::vector<std::string> &words);
    RemoteShell(const RemoteShell &) = delete;
    RemoteShell &operator=(const RemoteShell &) = delete;
    ~RemoteShell(); ///< closes the pipe; a process that doesn't end then within a second is killed

    FramePipe &pipe() { return *pipe_; }
    /// Says how the process ended, where `error` is that the other host has ended: it knows better. Waits for it.
    Error explain(const Error &error);

private:
    RemoteShell(std::string what, pid_t child, std::unique_ptr<FramePipe> pipe)
        : what_(std::move(what)), child_(child), pipe_(std::move(pipe)) {}
    bool wait(int timeout_ms);

    const std::string what_; // the command line, for people
    pid_t child_;            // -1: it has been waited for
    int status_ = 0;
    std::unique_ptr<FramePipe> pipe_;
};

} // namespace gmemfs
