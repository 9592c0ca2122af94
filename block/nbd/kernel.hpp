// Kernel: tells the kernel's nbd driver, by netlink, what its devices are connected to.
//
// The kernel gets one end of each socket pair; nobody listens anywhere, and no handshake comes first.
#pragma once

#include "block/nbd/export.hpp"
#include "vmm/base/fd.hpp"

#include <chrono>
#include <span>

namespace gmemfs::block::nbd {

/// Not thread-safe. Takes no memory once it is made.
class Kernel {
public:
    /// ENOENT: this kernel has no nbd driver, or it isn't loaded.
    static Result<Kernel> create();

    struct Times {
        std::chrono::seconds request; ///< after so long a connection whose request isn't answered is dropped; 0: never
        std::chrono::seconds dead;    ///< so long requests wait for a server to come
    };
    /// Connects /dev/nbdN, N = `number`, or a free one for -1, to the other ends of `sockets`. Returns N. EBUSY: it is
    /// connected to something else. EPERM: it takes root.
    Result<int> connect(int number, const Export &exported, const Times &times, std::span<const int> sockets);
    /// Gives the device new sockets for those that are dead. ENOSPC: none is, or the kernel hasn't noticed yet.
    Result<void> reconnect(int number, std::span<const int> sockets);
    /// Requests fail from then on, and the device is free.
    Result<void> disconnect(int number);

private:
    Kernel(Fd socket, std::uint16_t family) : socket_(std::move(socket)), family_(family) {}

    Fd socket_;
    std::uint16_t family_;
};

} // namespace gmemfs::block::nbd
