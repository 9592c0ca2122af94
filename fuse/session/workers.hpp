// Workers: all of a session's: those that read(2) from the device, and, with io_uring, those of the rings.
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
    /// Before the mount. `count`: how many read from the device, 0 for as many as the machine can use. With io_uring
    /// two do, and the rings' come on top.
    static Result<std::unique_ptr<Workers>> create(
        const std::vector<std::unique_ptr<Device>> &devices, Session &session, unsigned count, Transport transport);

    /// As Worker::start().
    void start(const Worker::Greeted &greeted, const std::function<void()> &ended);
    /// The session has been told to exit: returns when nobody serves any more.
    void stop();

    /// Waits until requests are served. False: the session ends before.
    bool wait_until_served() const { return handshake_.wait_until_served(); }
    std::size_t count() const { return workers_.size(); }
    /// What the session has come to, once the kernel has greeted it.
    Transport transport() const { return handshake_.is_by_ring() ? Transport::io_uring : Transport::read; }
    std::uint64_t ring_requests() const; ///< that have come by the rings so far
    /// After stop(): why the session ended, where a worker could serve no longer.
    std::optional<Error> failure() const;

private:
    explicit Workers(Transport transport) : handshake_(transport) {}

    Crew crew_;
    Handshake handshake_;
    std::vector<std::unique_ptr<Worker>> workers_;
};

} // namespace gmemfs
