// Listener: the socket door: accepts NBD clients, and serves each in a thread with a lane of its own.
#pragma once

#include "block/disk/disk.hpp"
#include "vmm/base/fd.hpp"

#include <atomic>
#include <functional>
#include <list>
#include <thread>

namespace gmemfs::block::nbd {

/// Not thread-safe.
class Listener {
public:
    /// Is told why a client couldn't be served, by the client's thread.
    using Report = std::function<void(const Error &)>;
    static constexpr std::size_t kClientsMax = 64;

    /// `socket` listens already. The disk outlives this.
    Listener(Fd socket, Disk &disk, Report report);
    ~Listener();
    Listener(const Listener &) = delete;
    Listener &operator=(const Listener &) = delete;

    /// Serves until `stop` can be read, or the device has failed for good (EIO). Then no client is left.
    Result<void> run(int stop);
    std::size_t client_count() const { return client_count_; } ///< thread-safe

private:
    struct Client {
        Fd socket;
        std::thread thread;
        std::atomic<bool> has_ended = false;
    };
    void accept();
    void serve(Client &client);
    Result<void> serve_client(int socket);
    void remove_ended();
    void end_all();

    const Fd socket_;
    const Fd failed_; // an eventfd: a client's thread has seen the device fail
    Disk &disk_;
    const Report report_;
    std::list<Client> clients_;
    std::atomic<std::size_t> client_count_ = 0;
};

/// A Unix socket at `path`, which isn't there yet, or is one that nobody listens on. Users other than this one can't
/// connect. EADDRINUSE: somebody listens there, or it is something else.
Result<Fd> listen_at(const std::string &path);

} // namespace gmemfs::block::nbd
