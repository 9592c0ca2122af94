// Keeper loop: the keeper's one thread, between its connections and KeeperService. It waits for no peer.
#include "vmm/keeper/service.hpp"

#include <algorithm>
#include <fcntl.h>
#include <poll.h>
#include <sys/socket.h>
#include <unistd.h>

namespace gmemfs {
namespace {

constexpr std::size_t kConnectionsMax = 16;
constexpr int kLonelyMs = 30000;
constexpr int kAbsentMs = 5000; // a supervisor brings the next server within one

// Admits the same user, and root, which could read this process's memory anyway.
bool may_connect(const Fd &connection) {
    ucred peer = {};
    socklen_t size = sizeof peer;
    if (::getsockopt(connection.get(), SOL_SOCKET, SO_PEERCRED, &peer, &size) != 0) return false;
    return peer.uid == ::geteuid() || peer.uid == 0;
}

// One descriptor that is kept for the next server, which must get in even where extents have taken all others.
class Reserve {
public:
    Reserve() { fill(); }
    void fill() {
        if (!fd_) fd_ = Fd(::open("/dev/null", O_RDONLY | O_CLOEXEC));
    }
    void give() { fd_.reset(); }

private:
    Fd fd_;
};

void accept_one(const Fd &listener, std::vector<Fd> &connections, Reserve &reserve) {
    constexpr int kFlags = SOCK_CLOEXEC | SOCK_NONBLOCK;
    Fd connection(::accept4(listener.get(), nullptr, nullptr, kFlags));
    if (!connection && errno == EMFILE) {
        reserve.give();
        connection = Fd(::accept4(listener.get(), nullptr, nullptr, kFlags));
    }
    if (!connection || !may_connect(connection)) return;
    // The oldest goes, because a server that has just started is worth more than one that forgot to hang up.
    if (connections.size() == kConnectionsMax) connections.erase(connections.begin());
    connections.push_back(std::move(connection));
}

// One request; an Error where the connection is to be closed. `listener` is another one afterwards, if that was asked.
Result<KeeperService::Served::Next> serve_one(KeeperService &service, const Fd &connection, Fd &listener) {
    using Next = KeeperService::Served::Next;
    // A byte more than a request has, so that a longer one is seen to be longer.
    std::array<std::byte, sizeof(keeper_protocol::Request) + 1> message;
    Received received = TRY(receive_message(connection.get(), message));
    if (received.size == 0) return Error{ECONNRESET, 0, "receive request"};
    if (received.fds.size() > 1) return Error{EPROTO, 0, "receive request", "too many descriptors"};
    KeeperService::Served served = TRY(service.serve(std::span<const std::byte>(message).first(received.size),
        received.fds.empty() ? Fd() : std::move(received.fds.front())));
    if (served.listener) listener = std::move(served.listener);
    if (served.next == Next::silent) return Next(served.next);
    const Fd *const passed[] = {&served.fd};
    // The connection doesn't block, so a server that sends without reading the answers loses its connection.
    const Result<void> sent = send_with_fds(connection.get(), served.bytes, std::span(passed, served.fd ? 1 : 0));
    // A server that is gone may have left more to read, such as the request that this process end, where the keeper
    // hadn't answered in time.
    const bool has_gone = !sent && (sent.error().code == EPIPE || sent.error().code == ECONNRESET);
    if (!sent && !has_gone) return Error{ECONNABORTED, 0, "answer"};
    return Next(served.next);
}

} // namespace

Result<void> serve_keeper(KeeperService &service, Fd listener) {
    using Next = KeeperService::Served::Next;
    std::vector<Fd> connections;
    Reserve reserve;
    bool was_alone = true; // nobody ever connected
    while (true) {
        reserve.fill(); // filled again, once a connection was closed
        std::vector<pollfd> waited = {{listener.get(), POLLIN, 0}};
        for (const Fd &connection : connections) waited.push_back({connection.get(), POLLIN, 0});
        const bool lacks_server = connections.empty() && service.keeps_connections();
        const int timeout_ms = was_alone ? kLonelyMs : lacks_server ? kAbsentMs : -1;
        const int count = ::poll(waited.data(), waited.size(), timeout_ms);
        if (count < 0 && errno == EINTR) continue;
        if (count < 0) return Error{errno, 0, "wait for a request"};
        if (count == 0 && was_alone) return {};
        if (count == 0) service.drop_connections();
        // Backwards, because erasing moves those behind.
        for (std::size_t index = waited.size() - 1; index > 0; --index) {
            if (waited[index].revents == 0) continue;
            const auto at = connections.begin() + static_cast<std::ptrdiff_t>(index) - 1;
            const Result<Next> next = serve_one(service, *at, listener);
            if (!next && (next.error().code == EINTR || next.error().code == EAGAIN)) continue;
            if (!next) {
                connections.erase(at);
                continue;
            }
            if (*next == Next::end) {
                // Left open, because the other side waits until the end of the process closes the connection.
                (void)at->release();
                return {};
            }
            if (*next == Next::alone) {
                Fd server = std::move(*at);
                connections.clear();
                connections.push_back(std::move(server));
                break;
            }
        }
        if (waited[0].revents != 0 && waited[0].fd == listener.get()) {
            accept_one(listener, connections, reserve);
            was_alone = was_alone && connections.empty();
        }
    }
}

} // namespace gmemfs
