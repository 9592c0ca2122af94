// Nbd door: the connections of a device of the kernel's nbd driver, a thread each.
#pragma once

#include "block/nbd/connection.hpp"
#include "block/nbd/kernel.hpp"
#include "block/process/door.hpp"
#include "block/process/parked_thread.hpp"
#include "vmm/base/lock.hpp"

#include <atomic>
#include <optional>
#include <vector>

namespace gmemfs::block {

/// The other ends of its sockets are the kernel's: no handshake comes first. A connection that the kernel has dropped
/// is made anew by its thread. While the kernel still finds out that old sockets are dead it takes none of the new ones
/// and says that all is well, or takes them and drops them at once (Linux 6.1 and 6.12).
class NbdDoor final : public Door {
public:
    static Result<std::unique_ptr<Door>> create(const Plan &plan, Disk &disk);
    ~NbdDoor() override { (void)close(); }
    Result<void> open(Signal::Kind how, std::span<const int> sockets) override;
    void set_number(int number) override { number_ = number; }
    int ended() const override { return ended_.get(); }
    Result<void> close() override;

private:
    struct Queue {
        explicit Queue(Lane made) : lane(std::move(made)), connection(lane) {}
        Lane lane;
        nbd::Connection connection;
        Fd socket;
        std::optional<nbd::Kernel> kernel;    // of its own: no lock
        std::unique_ptr<ParkedThread> thread; // last, so that it ends first
    };
    explicit NbdDoor(Fd ended) : ended_(std::move(ended)) {}
    Result<void> serve(Queue &queue);
    Result<void> connect_again(Queue &queue);

    const Fd ended_; // an eventfd
    std::vector<std::unique_ptr<Queue>> queues_;
    std::atomic<int> number_ = -1;
    Mutex mutex_; // of each Queue's socket while it is replaced; not on the way of requests
    bool is_closing_ GUARDED_BY(mutex_) = false;
};

} // namespace gmemfs::block
