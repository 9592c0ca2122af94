#include "block/process/ublk_door.hpp"

#include <sys/eventfd.h>
#include <unistd.h>

namespace gmemfs::block {

Result<std::unique_ptr<Door>> UblkDoor::create(const Plan &plan, Disk &disk) {
    Fd ended(::eventfd(0, EFD_CLOEXEC));
    if (!ended) return Error{errno, 0, "make an event"};
    ublk::Control control = TRY(ublk::Control::create());
    std::unique_ptr<UblkDoor> door(new UblkDoor(std::move(ended), std::move(control), plan.number));
    for (std::uint32_t index = 0; index < plan.queues; ++index) {
        Queue made;
        made.queue = TRY(ublk::Queue::create(disk, plan.depth, plan.io_size));
        made.thread = TRY(ParkedThread::create(
            plan.locking, [queue = made.queue.get()] { return queue->run(); }, door->ended_.get()));
        door->queues_.push_back(std::move(made));
    }
    return std::unique_ptr<Door>(std::move(door));
}

Result<void> UblkDoor::open(Signal::Kind how, std::span<const int>) {
    const Fd channel = TRY(ublk::open_channel(number_));
    unsigned index = 0;
    for (const Queue &queue : queues_) TRY(queue.queue->attach(channel.get(), index++));
    for (const Queue &queue : queues_) queue.thread->start();
    const pid_t self = ::getpid();
    return how == Signal::Kind::take_over ? control_.end_recovery(number_, self, ended_.get())
                                          : control_.start(number_, self, ended_.get());
}

Result<void> UblkDoor::close() {
    Result<void> first;
    for (const Queue &queue : queues_) {
        const Result<void> finished = queue.thread->finish();
        if (first && !finished) first = finished;
    }
    return first;
}

} // namespace gmemfs::block
