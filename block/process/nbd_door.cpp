#include "block/process/nbd_door.hpp"

#include <poll.h>
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
        queue->kernel.emplace(TRY(nbd::Kernel::create()));
        queue->thread = TRY(ParkedThread::create(
            plan.locking, [door = door.get(), queue = queue.get()] { return door->serve(*queue); },
            door->ended_.get()));
        door->queues_.push_back(std::move(queue));
    }
    return std::unique_ptr<Door>(std::move(door));
}

Result<void> NbdDoor::serve(Queue &queue) {
    for (;;) {
        const Result<void> served = queue.connection.serve(queue.socket.get());
        const bool is_lost = served || served.error().code == ECONNRESET || served.error().code == EPIPE;
        if (!is_lost || queue.connection.has_said_goodbye() || number_ < 0) return served;
        if (const Result<void> connected = connect_again(queue); !connected)
            return connected.error().code == ECANCELED ? Result<void>() : connected;
    }
}

// ECANCELED: the door closes. The kernel's end is its own once it has taken it; where it hasn't, serving ends at once.
Result<void> NbdDoor::connect_again(Queue &queue) {
    constexpr int kPauseMs = 5;
    (void)::poll(nullptr, 0, kPauseMs);
    int ends[2];
    if (::socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0, ends) != 0)
        return Error{errno, 0, "connect the device again", "make a socket"};
    const Fd other(ends[1]);
    {
        const Hold hold(mutex_);
        queue.socket = Fd(ends[0]);
        if (is_closing_) return Error{ECANCELED, 0, "connect the device again"};
    }
    const int fd = other.get();
    const Result<void> connected = queue.kernel->reconnect(number_, {&fd, 1});
    return connected || connected.error().code == ENOSPC ? Result<void>() : connected;
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
    {
        const Hold hold(mutex_);
        is_closing_ = true;
        for (const std::unique_ptr<Queue> &queue : queues_)
            if (queue->socket) ::shutdown(queue->socket.get(), SHUT_RDWR);
    }
    for (const std::unique_ptr<Queue> &queue : queues_) {
        const Result<void> finished = queue->thread->finish();
        if (first && !finished) first = finished;
    }
    return first;
}

} // namespace gmemfs::block
