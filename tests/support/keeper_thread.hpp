// KeeperThread: a keeper behind a socket, served by a thread of the test as by the keeper's process.
#pragma once

#include "vmm/base/fd.hpp"
#include "vmm/keeper/client.hpp"

#include <cstdint>
#include <memory>
#include <sys/socket.h>
#include <sys/un.h>
#include <thread>

namespace gmemfs::test {

/// Over the Simulation's driver. Ends with its last request, or when this is destroyed.
class KeeperThread {
public:
    static constexpr std::uint64_t kNonce = 42;

    KeeperThread();
    ~KeeperThread() { stop(); }
    KeeperThread(const KeeperThread &) = delete;
    KeeperThread &operator=(const KeeperThread &) = delete;

    Fd connect();
    Result<std::unique_ptr<KeeperClient>> client();
    /// The thread leaves its last connection open, as the process would until its end: so nobody waits for that here.
    void stop();

private:
    Fd listener_; // bound to an abstract name
    sockaddr_un address_ = {};
    socklen_t size_ = sizeof address_;
    std::thread thread_;
};

} // namespace gmemfs::test
