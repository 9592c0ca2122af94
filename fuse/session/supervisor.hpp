// Supervisor: the parent of a server in the background: starts another one when it dies, and keeps the mount alive.
//
// The supervisor holds a descriptor of the channel (/dev/fuse). As long as a process does, the kernel doesn't end the
// mount: requests wait, and open files stay open. The supervisor opens no driver and serves nothing, so that it has no
// reason to die. It executes the program anew for every server, so after an upgrade that is the new program.
#pragma once

#include "fuse/host/options.hpp"
#include "fuse/process/background.hpp"
#include "vmm/base/fd.hpp"

#include <chrono>
#include <cstddef>
#include <cstdint>
#include <span>
#include <string>
#include <vector>

namespace gmemfs {

/// The server's end of the socket to its supervisor. Thread-safe after open(), but for let_go_of_channel().
class SupervisorLink {
public:
    /// `fd` is the value of `--supervisor`. EPROTO: nobody speaks the protocol there.
    static Result<SupervisorLink> open(int fd);

    std::uint16_t generation() const { return generation_; } ///< 1 for the first server of a mount, then counting
    const Fd &channel() const { return channel_; }           ///< of the last server; empty: this one mounts anew
    const std::vector<std::byte> &greeting() const { return greeting_; } ///< the kernel's FUSE_INIT, as it came

    /// The mount answers. From here on nobody reads what this process prints.
    void ready() const;
    void fail(const std::string &line) const; ///< the mount doesn't answer, and why; the server ends now
    /// Closes this process's copy of the channel, because the session that the last server began has ended.
    void let_go_of_channel() { channel_.reset(); }
    /// The mount is gone, and what follows (saving) is under way. A server that takes over must end, too.
    void unmounted() const;
    /// The session was aborted, and another session must bring the mount back.
    void aborted() const;
    /// The mount is there again, after unmounted().
    void mounted_again() const;
    void log_moved() const; ///< the log's file was renamed; the supervisor has it open, too
    /// Gives the supervisor a copy of the channel, which it keeps where the kernel can ask for lost requests again
    /// (Linux 6.9). Where the kernel can't, the mount dies with the server, and the next server mounts anew.
    void hand_over(int channel, std::span<const std::byte> greeting) const;

private:
    explicit SupervisorLink(Fd socket) : socket_(std::move(socket)) {}

    Fd socket_;
    std::uint16_t generation_ = 0;
    Fd channel_;
    std::vector<std::byte> greeting_;
};

/// Exit status of a server that wants another one in its place at once.
inline constexpr int kGoAgain = 75;
/// Exit status of a server that has lost its GPU by a sticky error. Another server may use the GPU again. Where that
/// happens twice in a minute, none is started, because the card is broken, or a request breaks it.
inline constexpr int kDeviceLost = 76;
inline constexpr std::chrono::seconds kLossesApart(60);

/// Exit status of a server that couldn't go on with the mount; another one couldn't either. The keeper has the files.
inline constexpr int kKept = 77;

/// Starts servers until one ends on purpose, in the second process. Returns the program's exit status. Tells
/// `background` how the first server began.
int supervise(const Options &options, Background &background);

} // namespace gmemfs
