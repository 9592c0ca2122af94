// Supervisor: the parent of a server in the background: starts it anew when it dies, and holds the FUSE device
// meanwhile.
//
// As long as somebody holds the device's descriptor the kernel doesn't end the mount: requests wait, and open files
// stay open. The supervisor opens no driver and serves nothing, so that it has no reason to die. It execs the program
// again for every server: after an upgrade that is the new one.
#pragma once

#include "fuse/host/options.hpp"
#include "fuse/process/background.hpp"
#include "vmm/base/fd.hpp"

#include <cstddef>
#include <cstdint>
#include <span>
#include <string>
#include <vector>

namespace gmemfs {

/// The server's end of the socket to its supervisor. Thread-safe once it is made.
class SupervisorLink {
public:
    /// `fd` is what `--supervisor` says. EPROTO: nobody speaks the protocol there.
    static Result<SupervisorLink> open(int fd);

    std::uint16_t generation() const { return generation_; } ///< 1 for the first server of a mount, then counting
    const Fd &channel() const {
        return channel_;
    } ///< /dev/fuse of the server before; empty where this mounts by itself
    const std::vector<std::byte> &greeting() const { return greeting_; } ///< the kernel's FUSE_INIT, as it came

    /// The mount answers: from here on nobody reads what is printed.
    void ready() const;
    void fail(const std::string &line) const; ///< why it doesn't; the server ends now
    /// The mount of the server before is at its end: this process holds it no longer.
    void let_go_of_channel() { channel_.reset(); }
    /// The mount is gone, and what comes after it (saving) is under way: a server that takes over is to end, too.
    void unmounted() const;
    /// The session was aborted, and the mount is to be there again by another one.
    void aborted() const;
    /// It is there again: that wasn't to be.
    void mounted_again() const;
    void log_moved() const; ///< to where it was: the supervisor has it open, too
    /// The supervisor holds the device from here on, where the kernel can ask for lost requests again (Linux 6.9).
    /// Where it can't, the mount dies with the server, and the next one mounts anew.
    void hand_over(int channel, std::span<const std::byte> greeting) const;

private:
    explicit SupervisorLink(Fd socket) : socket_(std::move(socket)) {}

    Fd socket_;
    std::uint16_t generation_ = 0;
    Fd channel_;
    std::vector<std::byte> greeting_;
};

/// Exit status of a server that wants another one in its place, at once.
inline constexpr int kGoAgain = 75;
/// Of one whose device is lost to it, by a sticky error: another one may have it again. Not twice in a minute: then the
/// card is broken, or what is asked of it breaks it.
inline constexpr int kDeviceLost = 76;

/// Of one that couldn't go on with the mount, which another one couldn't either. The keeper has the files.
inline constexpr int kKept = 77;

/// In the second process: starts servers until one ends on purpose; the program's exit status. `background` is told how
/// the first one began.
int supervise(const Options &options, Background &background);

} // namespace gmemfs
