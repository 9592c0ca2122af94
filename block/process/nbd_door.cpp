#include "block/process/nbd_door.hpp"

#include <sys/eventfd.h>
#include <sys/socket.h>

namespace gmemfs::block {

Result<std::unique_ptr<Door>> NbdDoor::create(const Plan &plan, Disk &disk) {
    Fd ended(::eventfd(0, EFD_CLOEXEC));
    if (!ended) return Error{errno, 0, "make an event"};
    std::unique_ptr<NbdDoor> door(new NbdDoor(std::move(ended)));
    for (std::uint32_t index = 0; index < plan.queues; ++index) {
        Lane lane = TRY(Lane::create(disk, nbd::Connection::kMemory));
        auto queue = std::make_unique<Queue>(std::move(lane));
        queue->thread = TRY(ParkedThread::create(
            plan.locking, [queue = queue.get()] { return queue->connection.serve(queue->socket.get()); },
            door->ended_.get()));
        door->queues_.push_back(std::move(queue));
    }
    return std::unique_ptr<Door>(std::move(door));
}

Result<void> NbdDoor::open(Signal::Kind, std::span<const int> sockets) {
    if (sockets.size() != queues_.size())
        return Error{EPROTO, 0, "serve the device", "it has another number of connections"};
    for (std::size_t index = 0; index < queues_.size(); ++index) {
        queues_[index]->socket = Fd(sockets[index]);
        queues_[index]->thread->start();
    }
    return {};
}

Result<void> NbdDoor::close() {
    Result<void> first;
    for (const std::unique_ptr<Queue> &queue : queues_)
        if (queue->socket) ::shutdown(queue->socket.get(), SHUT_RDWR);
    for (const std::unique_ptr<Queue> &queue : queues_) {
        const Result<void> finished = queue->thread->finish();
        if (first && !finished) first = finished;
    }
    return first;
}

} // namespace gmemfs::block
