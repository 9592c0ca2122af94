// Socket door: NBD clients by a Unix socket.
#pragma once

#include "block/nbd/listener.hpp"
#include "block/process/door.hpp"
#include "block/process/parked_thread.hpp"

namespace gmemfs::block {

/// A client's thread, lane and memory are made when it connects, so this door isn't for swap.
class SocketDoor final : public Door {
public:
    static Result<std::unique_ptr<Door>> create(const Plan &plan, Disk &disk, Fd listener);
    ~SocketDoor() override { (void)close(); }
    Result<void> open(Signal::Kind how, std::span<const int> sockets) override;
    int ended() const override { return ended_.get(); }
    Result<void> close() override;

private:
    SocketDoor(const Plan &plan, Disk &disk, Fd listener);

    const Fd ended_, stop_; // eventfds
    nbd::Listener listener_;
    std::unique_ptr<ParkedThread> thread_; // set by create()
};

} // namespace gmemfs::block
