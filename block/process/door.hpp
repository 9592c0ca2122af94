// Door: how requests reach a disk: by a socket, or from the kernel's nbd or ublk driver.
//
//     make_door() (doors.hpp): all is made and warm      open(): requests are served      close(): they aren't any more
#pragma once

#include "block/process/setup.hpp"
#include "block/process/signal.hpp"

namespace gmemfs::block {

/// Used by a worker's main thread; serves by threads of its own.
class Door {
public:
    Door() = default;
    Door(const Door &) = delete;
    Door &operator=(const Door &) = delete;
    virtual ~Door() = default;
    /// Begins to serve. `how`: for the first time, or after a worker that has died. `sockets` are the connections of
    /// an nbd device, this door's from now on.
    virtual Result<void> open(Signal::Kind how, std::span<const int> sockets) = 0;
    /// N of /dev/nbdN, where it is one: known once the device is there.
    virtual void set_number(int) {}
    /// Can be read once the door serves no more by itself.
    virtual int ended() const = 0;
    /// Returns when no request is being served any more, and says why it had ended, where it had.
    virtual Result<void> close() = 0;
};

} // namespace gmemfs::block
