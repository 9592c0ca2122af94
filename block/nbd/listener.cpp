#include "block/nbd/listener.hpp"

#include "block/disk/lane.hpp"
#include "block/nbd/connection.hpp"
#include "block/nbd/negotiation.hpp"

#include <memory>
#include <poll.h>
#include <sys/eventfd.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/un.h>
#include <system_error>
#include <unistd.h>

namespace gmemfs::block::nbd {

Listener::Listener(Fd socket, Disk &disk, Report report)
    : socket_(std::move(socket)), failed_(::eventfd(0, EFD_CLOEXEC)), disk_(disk), report_(std::move(report)) {}

Listener::~Listener() { end_all(); }

Result<void> Listener::run(int stop) {
    for (;;) {
        pollfd waits[] = {{stop, POLLIN, 0}, {failed_.get(), POLLIN, 0}, {socket_.get(), POLLIN, 0}};
        if (::poll(waits, std::size(waits), -1) < 0 && errno != EINTR) return Error{errno, 0, "wait for clients"};
        if (waits[0].revents != 0) break;
        if (waits[1].revents != 0) break;
        if (waits[2].revents != 0) accept();
    }
    end_all();
    if (disk_.has_failed()) return Error{EIO, 0, "serve clients", "the device has failed"};
    return {};
}

void Listener::accept() {
    remove_ended();
    Fd socket(::accept4(socket_.get(), nullptr, nullptr, SOCK_CLOEXEC));
    if (!socket) return; // the client has gone again
    if (clients_.size() == kClientsMax)
        return report_(Error{EUSERS, 0, "serve the client", std::to_string(kClientsMax) + " are served already"});
    constexpr int kSocketMemory = 4 * 1024 * 1024; // a batch's answers: more than a reader takes at once
    ::setsockopt(socket.get(), SOL_SOCKET, SO_SNDBUF, &kSocketMemory, sizeof kSocketMemory);
    Client &client = clients_.emplace_back();
    client.socket = std::move(socket);
    ++client_count_;
    try {
        client.thread = std::thread([this, &client] { serve(client); });
    } catch (const std::system_error &error) { // the only error of the standard library here
        report_(Error{error.code().value(), 0, "serve the client", "make a thread"});
        client.has_ended = true;
        --client_count_;
    }
}

void Listener::serve(Client &client) {
    const Result<void> served = serve_client(client.socket.get());
    const bool has_left = !served && (served.error().code == EPIPE || served.error().code == ECONNRESET);
    if (!served && !has_left) report_(served.error()); // a client may be killed, and many just close
    ::shutdown(client.socket.get(), SHUT_RDWR);        // closed by the thread that accepts
    --client_count_;
    client.has_ended = true;
    constexpr std::uint64_t kOne = 1;
    if (disk_.has_failed()) (void)!::write(failed_.get(), &kOne, sizeof kOne);
}

Result<void> Listener::serve_client(int socket) {
    const Checked checked = disk_.checksums() != nullptr ? Checked::yes : Checked::no;
    const Export exported = describe(disk_.size(), disk_.mode(), checked);
    if (TRY(negotiate(socket, exported)) == Wish::nothing) return {};
    Lane lane = TRY(Lane::create(disk_, Connection::kMemory));
    const auto connection = std::make_unique<Connection>(lane);
    return connection->serve(socket);
}

void Listener::remove_ended() {
    for (auto client = clients_.begin(); client != clients_.end();) {
        if (!client->has_ended) {
            ++client;
            continue;
        }
        if (client->thread.joinable()) client->thread.join();
        client = clients_.erase(client);
    }
}

void Listener::end_all() {
    for (Client &client : clients_) ::shutdown(client.socket.get(), SHUT_RDWR);
    for (Client &client : clients_)
        if (client.thread.joinable()) client.thread.join();
    clients_.clear();
}

Result<Fd> listen_at(const std::string &path) {
    sockaddr_un address = {};
    address.sun_family = AF_UNIX;
    if (path.size() >= sizeof address.sun_path) return Error{ENAMETOOLONG, 0, "listen", path};
    path.copy(address.sun_path, path.size());
    const auto *const generic = reinterpret_cast<const sockaddr *>(&address);
    Fd socket(::socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0));
    if (!socket) return Error{errno, 0, "listen", path};
    struct stat status = {};
    const bool is_socket = ::lstat(path.c_str(), &status) == 0 && S_ISSOCK(status.st_mode);
    if (is_socket && ::connect(socket.get(), generic, sizeof address) != 0 && errno == ECONNREFUSED)
        ::unlink(path.c_str()); // of a server that was killed
    socket = Fd(::socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0));
    const mode_t before = ::umask(0177);
    const int bound = ::bind(socket.get(), generic, sizeof address);
    const int code = errno;
    ::umask(before);
    if (bound != 0) return Error{code, 0, "listen", path};
    if (::listen(socket.get(), 64) != 0) return Error{errno, 0, "listen", path};
    return socket;
}

} // namespace gmemfs::block::nbd
