// Nbd door: the connections of a device of the kernel's nbd driver, a thread each.
#pragma once

#include "block/nbd/connection.hpp"
#include "block/process/door.hpp"
#include "block/process/parked_thread.hpp"

#include <vector>

namespace gmemfs::block {

/// The other ends of its sockets are the kernel's: no handshake comes first.
class NbdDoor final : public Door {
public:
    static Result<std::unique_ptr<Door>> create(const Plan &plan, Disk &disk);
    ~NbdDoor() override { (void)close(); }
    Result<void> open(Signal::Kind how, std::span<const int> sockets) override;
    int ended() const override { return ended_.get(); }
    Result<void> close() override;

private:
    struct Queue {
        explicit Queue(Lane made) : lane(std::move(made)), connection(lane) {}
        Lane lane;
        nbd::Connection connection;
        Fd socket;
        std::unique_ptr<ParkedThread> thread; // last, so that it ends first
    };
    explicit NbdDoor(Fd ended) : ended_(std::move(ended)) {}

    const Fd ended_; // an eventfd
    std::vector<std::unique_ptr<Queue>> queues_;
};

} // namespace gmemfs::block
