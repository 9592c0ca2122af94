// Block device: the supervisor's side of a door: the kernel's device, or the name of a socket.
//
//     prepare -> worker told to serve -> appear ... worker dies -> await_next -> prepare -> next worker told -> resume
#pragma once

#include "block/process/setup.hpp"

#include <memory>
#include <string>
#include <vector>

namespace gmemfs::block {

/// Used by the supervisor alone. What happens between a worker's death and resume() takes no memory.
class BlockDevice {
public:
    BlockDevice() = default;
    BlockDevice(const BlockDevice &) = delete;
    BlockDevice &operator=(const BlockDevice &) = delete;
    virtual ~BlockDevice() = default;

    /// "/dev/ublkb0", or the socket's path.
    virtual std::string name() const = 0;
    /// N of /dev/nbdN; -1 of a socket.
    virtual int number() const = 0;
    /// Puts into `sockets` what the next worker serves, one for each queue; nothing where it needs none.
    virtual Result<void> prepare(std::vector<Fd> &sockets) = 0;
    virtual Result<void> appear() = 0;
    virtual Result<void> await_next() = 0;
    virtual Result<void> resume() = 0;
    /// EBUSY: it is mounted, swapped on, or held by something else.
    virtual Result<void> check_unused() const = 0;
    /// The device goes, while its worker still serves.
    virtual Result<void> remove() = 0;
    /// What is left of it goes, once no worker is there any more.
    virtual Result<void> forget() { return {}; }
};

/// Whether the kernel's device is to be made, or is there, of a supervisor that has died.
enum class Origin : std::uint8_t { made, adopted };

/// Makes what is needed before workers start, and sets the setup's listener, or those parts of its plan that the
/// kernel decides. `socket_path` is that of DoorKind::socket. Errors: see nbd/kernel.hpp, ublk/control.hpp and
/// nbd::listen_at().
Result<std::unique_ptr<BlockDevice>> make_device(Setup &setup, const std::string &socket_path, Origin origin);

/// EBUSY: somebody else has the block device at `path` open for himself alone, as mounts and swap have.
Result<void> check_unheld(const std::string &path);

} // namespace gmemfs::block
