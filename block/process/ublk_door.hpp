// Ublk door: the queues of a device of the kernel's ublk driver, a thread each.
#pragma once

#include "block/process/door.hpp"
#include "block/process/parked_thread.hpp"
#include "block/ublk/control.hpp"
#include "block/ublk/queue.hpp"

#include <memory>
#include <vector>

namespace gmemfs::block {

class UblkDoor final : public Door {
public:
    static Result<std::unique_ptr<Door>> create(const Plan &plan, Disk &disk);
    ~UblkDoor() override { (void)close(); }
    /// Returns when the device is there, or when all its requests come here.
    Result<void> open(Signal::Kind how, std::span<const int> sockets) override;
    int ended() const override { return ended_.get(); }
    /// Waits until the device is stopped, where it serves: only the kernel can end a queue.
    Result<void> close() override;

private:
    struct Queue {
        std::unique_ptr<ublk::Queue> queue;
        std::unique_ptr<ParkedThread> thread; // last, so that it ends first
    };
    UblkDoor(Fd ended, ublk::Control control, int number)
        : ended_(std::move(ended)), control_(std::move(control)), number_(number) {}

    const Fd ended_; // an eventfd
    ublk::Control control_;
    const int number_;
    std::vector<Queue> queues_;
};

} // namespace gmemfs::block
