// Workers: all workers of a session: those that read(2) from /dev/fuse and, with io_uring, those of the rings.
#pragma once

#include "fuse/session/crew.hpp"
#include "fuse/session/handshake.hpp"
#include "fuse/session/worker.hpp"

#include <memory>
#include <optional>
#include <vector>

namespace gmemfs {

/// Not thread-safe, but for what is const.
class Workers {
public:
    /// Called before the mount. `count` is how many workers read from /dev/fuse; 0 for as many as the machine can use.
    /// With io_uring two read from it, and the rings' workers come on top.
    static Result<std::unique_ptr<Workers>> create(
        const std::vector<std::unique_ptr<Device>> &devices, Session &session, unsigned count, Transport transport);

    /// See Worker::start().
    void start(const Worker::Greeted &greeted, const std::function<void()> &ended);
    /// Returns when no worker serves any more. The session has been told to exit.
    void stop();

    /// Waits until requests are served. False: the session ends before.
    bool wait_until_served() const { return handshake_.wait_until_served(); }
    std::size_t count() const { return workers_.size(); }
    /// How requests come, known once the kernel has greeted the session.
    Transport transport() const { return handshake_.is_by_ring() ? Transport::io_uring : Transport::read; }
    std::uint64_t ring_requests() const; ///< that have come by the rings so far
    /// Valid after stop(): why the session ended, where a worker could serve no longer.
    std::optional<Error> failure() const;

private:
    explicit Workers(Transport transport) : handshake_(transport) {}

    Crew crew_;
    Handshake handshake_;
    std::vector<std::unique_ptr<Worker>> workers_;
};

} // namespace gmemfs
