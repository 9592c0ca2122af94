#include "fuse/broker.hpp"

#include "fuse/log.hpp"
#include "fuse/mount_table.hpp"
#include "fuse/server.hpp"

#include <algorithm>
#include <fcntl.h>
#include <sys/resource.h>
#include <sys/socket.h>
#include <unistd.h>

namespace gmemfs {
namespace {

constexpr std::int64_t kSecond = 1000000;          // microseconds, as g_get_monotonic_time counts
constexpr std::int64_t kIdleTime = 30 * kSecond;   // a peer without a lease says something within this
constexpr std::int64_t kAnswerTime = 10 * kSecond; // a peer takes an answer within this
constexpr int kAcceptsAtOnce = 16;                 // then others have their turn
constexpr int kSendBufferSize = 1 << 20;
constexpr rlim_t kDescriptorsForOthers = 256; // of the server itself, and of answers under way

// Two descriptors a peer, so the soft limit of 1024 that most systems have would be few.
std::size_t raise_peers_max() {
    rlimit limit = {};
    if (::getrlimit(RLIMIT_NOFILE, &limit) != 0) return kBrokerPeersPerUserMax / 4;
    limit.rlim_cur = limit.rlim_max;
    ::setrlimit(RLIMIT_NOFILE, &limit);
    ::getrlimit(RLIMIT_NOFILE, &limit);
    const rlim_t left = limit.rlim_cur > kDescriptorsForOthers ? limit.rlim_cur - kDescriptorsForOthers : 0;
    return std::min<std::size_t>(kBrokerPeersMax, left / 2);
}

// Of who called connect(2), whatever became of it since.
Result<Credentials> read_credentials(int socket, pid_t &pid) {
    ucred credentials = {};
    socklen_t size = sizeof credentials;
    if (::getsockopt(socket, SOL_SOCKET, SO_PEERCRED, &credentials, &size) != 0)
        return Error{errno, 0, "read the peer's credentials"};
    pid = credentials.pid;
    Credentials who = {credentials.uid, credentials.gid, {}};
    who.groups.resize(64);
    for (int attempt = 0; attempt < 2; ++attempt) {
        size = static_cast<socklen_t>(who.groups.size() * sizeof(gid_t));
        const int status = ::getsockopt(socket, SOL_SOCKET, SO_PEERGROUPS, who.groups.data(), &size);
        who.groups.resize(size / sizeof(gid_t)); // on ERANGE: as many as it takes
        if (status == 0) return who;
        if (errno != ERANGE) break;
    }
    return Error{errno, 0, "read the peer's groups"};
}

Error refused(int code, const char *detail) { return Error{code, 0, "connect to the broker", detail}; }

} // namespace

Result<std::unique_ptr<Broker>> Broker::create(Server &server) {
    const TicketMaker tickets = TRY(TicketMaker::create());
    Copiers copiers = TRY(Copiers::create(server.devices()));
    std::unique_ptr<Broker> broker(new Broker(server, tickets, std::move(copiers)));
    broker->peers_max_ = raise_peers_max();
    broker->reserve_ = Fd(::open("/dev/null", O_RDONLY | O_CLOEXEC));
    const std::string &mount_point = server.options().mount_point;
    broker->filesystem_ = server.filesystem();
    Result<BrokerSocket> socket = BrokerSocket::bind_in_mount(mount_point, broker->filesystem_);
    if (!socket) {
        log(LogLevel::debug, "broker", socket.error(), "an abstract socket instead");
        socket = BrokerSocket::bind_abstract();
    }
    BrokerSocket bound = TRY(std::move(socket));
    broker->listener_ = std::move(bound.fd);
    broker->address_ = std::move(bound.address);
    broker->mounts_ = Fd(::open("/proc/self/mountinfo", O_RDONLY | O_CLOEXEC));
    Broker *const self = broker.get();
    broker->sources_.push_back(g_unix_fd_add(
        broker->listener_.get(), G_IO_IN,
        [](gint, GIOCondition, gpointer data) -> gboolean {
            static_cast<Broker *>(data)->accept();
            return G_SOURCE_CONTINUE;
        },
        self));
    if (broker->mounts_)
        broker->sources_.push_back(g_unix_fd_add(
            broker->mounts_.get(), GIOCondition(G_IO_PRI | G_IO_ERR),
            [](gint, GIOCondition, gpointer data) -> gboolean {
                auto &owner = *static_cast<Broker *>(data);
                if (!is_mounted(read_mounts(owner.mounts_), owner.filesystem_)) owner.close();
                return G_SOURCE_CONTINUE;
            },
            self));
    broker->sources_.push_back(g_timeout_add_seconds(
        1,
        [](gpointer data) -> gboolean {
            static_cast<Broker *>(data)->end_late();
            return G_SOURCE_CONTINUE;
        },
        self));
    if (broker->mounts_ && !is_mounted(read_mounts(broker->mounts_), broker->filesystem_))
        broker->close(); // before it was watched for that
    log(LogLevel::info, "broker", "listens on " + broker->address_);
    return broker;
}

Broker::~Broker() {
    close();
    for (const guint source : sources_) g_source_remove(source);
}

// After the unmount, or at the end: accepted sockets hold the mount as the listening one does.
void Broker::close() {
    while (!peers_.empty()) remove(peers_.front());
    if (!listener_) return;
    g_source_remove(sources_.front());
    sources_.erase(sources_.begin());
    listener_.reset();
}

void Broker::accept() {
    for (int count = 0; count < kAcceptsAtOnce && listener_; ++count) {
        Fd socket(::accept4(listener_.get(), nullptr, nullptr, SOCK_CLOEXEC | SOCK_NONBLOCK));
        if (socket) {
            greet(std::move(socket));
            continue;
        }
        if (errno != EMFILE && errno != ENFILE) return;
        reserve_.reset(); // or the connection would be there, and this be called, for ever
        Fd(::accept4(listener_.get(), nullptr, nullptr, SOCK_CLOEXEC)).reset();
        reserve_ = Fd(::open("/dev/null", O_RDONLY | O_CLOEXEC));
        return;
    }
}

Result<void> Broker::admit(const Peer &peer) const {
    if (peers_.size() >= peers_max_) return refused(EUSERS, "it serves as many peers as it can: try again later");
    const auto same =
        std::count_if(peers_.begin(), peers_.end(), [&](const Peer &other) { return other.who.uid == peer.who.uid; });
    if (peer.who.uid != 0 && static_cast<std::size_t>(same) >= kBrokerPeersPerUserMax)
        return refused(EUSERS, "this user has as many connections as one may have: close some");
    return {};
}

void Broker::greet(Fd socket) {
    Peer peer = {.broker = *this, .socket = std::move(socket), .process = Fd()};
    Result<Credentials> who = read_credentials(peer.socket.get(), peer.pid);
    if (!who) return log(LogLevel::info, "broker", who.error(), "a peer was turned away");
    peer.who = *std::move(who);
    ::setsockopt(peer.socket.get(), SOL_SOCKET, SO_SNDBUF, &kSendBufferSize, sizeof kSendBufferSize);
    const Result<void> admitted = admit(peer);
    if (!admitted) {
        const Message answer = refusal(admitted.error());
        (void)::send(peer.socket.get(), answer.bytes.data(), answer.bytes.size(), MSG_NOSIGNAL | MSG_DONTWAIT);
        return;
    }
    peers_.push_back(std::move(peer));
    peer_count_.store(peers_.size(), std::memory_order_relaxed);
    wait_for_input(peers_.back());
}

void Broker::watch(Peer &peer, int fd, GIOCondition condition, GUnixFDSourceFunc function) {
    if (peer.source != 0) g_source_remove(peer.source);
    peer.source = g_unix_fd_add(fd, condition, function, &peer);
}

void Broker::wait_for_input(Peer &peer) {
    peer.deadline_us = peer.leases.empty() ? g_get_monotonic_time() + kIdleTime : 0;
    watch(peer, peer.socket.get(), GIOCondition(G_IO_IN | G_IO_HUP | G_IO_ERR),
        [](gint, GIOCondition, gpointer data) -> gboolean {
            auto &self = *static_cast<Peer *>(data);
            self.broker.serve(self); // may end the peer, and this source with it
            return G_SOURCE_CONTINUE;
        });
}

void Broker::serve(Peer &peer) {
    std::byte bytes[protocol::kRequestSizeMax];
    // MSG_TRUNC: the length that it had; a longer one is no request. Descriptors that come along are closed unseen.
    const ssize_t size = ::recv(peer.socket.get(), bytes, sizeof bytes, MSG_DONTWAIT | MSG_TRUNC);
    if (size < 0 && (errno == EAGAIN || errno == EINTR)) return;
    if (size <= 0) return hang_up(peer);
    respond(peer, std::span(bytes, std::min(static_cast<std::size_t>(size), sizeof bytes)));
}

void Broker::respond(Peer &peer, std::span<const std::byte> bytes) {
    const auto request = protocol::parse_request(bytes);
    Result<std::vector<Message>> answer = std::vector<Message>();
    if (!request) {
        answer = Error(request.error());
    } else if (const auto *const wanted = std::get_if<protocol::Attach>(&*request)) {
        answer = wanted->header.kind == protocol::Kind::attach ? attach(peer, *wanted) : list(peer, *wanted);
    } else {
        const Result<void> released = release(peer, std::get<protocol::Release>(*request).lease);
        if (!released) answer = Error(released.error());
        if (released) answer->push_back(success());
    }
    lease_count_.store(leases_.count(), std::memory_order_relaxed);
    if (answer) {
        for (Message &message : *answer) peer.outgoing.push_back(std::move(message));
    } else {
        peer.outgoing.push_back(refusal(answer.error()));
    }
    send(peer);
}

void Broker::send(Peer &peer) {
    while (!peer.outgoing.empty()) {
        const Message &message = peer.outgoing.front();
        std::vector<const Fd *> fds;
        for (const Fd &fd : message.fds) fds.push_back(&fd);
        const Result<void> sent = send_with_fds(peer.socket.get(), message.bytes, fds);
        if (!sent && sent.error().code == EAGAIN) {
            wait_for_room(peer);
            return;
        }
        if (!sent) return hang_up(peer); // it has gone, or takes no more descriptors (ETOOMANYREFS)
        peer.outgoing.pop_front();
    }
    if (!peer.listing) return wait_for_input(peer);
    share_next(peer);
    wait_for_room(peer); // and other peers have their turn first
}

void Broker::wait_for_room(Peer &peer) {
    peer.deadline_us = g_get_monotonic_time() + kAnswerTime;
    watch(peer, peer.socket.get(), GIOCondition(G_IO_OUT | G_IO_HUP | G_IO_ERR),
        [](gint, GIOCondition, gpointer data) -> gboolean {
            auto &self = *static_cast<Peer *>(data);
            self.broker.send(self);
            return G_SOURCE_CONTINUE;
        });
}

Result<void> Broker::release(Peer &peer, Leases::Id lease) {
    const auto found = std::find(peer.leases.begin(), peer.leases.end(), lease);
    if (found == peer.leases.end()) return Error{ENOENT, 0, "release", "this connection has no such lease"};
    peer.leases.erase(found);
    leases_.release(lease);
    return {};
}

// The connection has ended. A process that said nothing and lives may have kernels running on what it has mapped: its
// leases stay until it has ended, too.
void Broker::hang_up(Peer &peer) {
    if (peer.leases.empty() || !peer.process) return remove(peer);
    peer.outgoing.clear();
    peer.listing.reset();
    peer.socket.reset();
    peer.deadline_us = 0;
    watch(peer, peer.process.get(), G_IO_IN, [](gint, GIOCondition, gpointer data) -> gboolean {
        auto &self = *static_cast<Peer *>(data);
        self.broker.remove(self);
        return G_SOURCE_CONTINUE;
    });
}

void Broker::remove(Peer &peer) {
    g_source_remove(peer.source);
    for (const Leases::Id lease : peer.leases) leases_.release(lease);
    peers_.remove_if([&](const Peer &other) { return &other == &peer; });
    peer_count_.store(peers_.size(), std::memory_order_relaxed);
    lease_count_.store(leases_.count(), std::memory_order_relaxed);
}

void Broker::end_late() {
    const std::int64_t now = g_get_monotonic_time();
    for (auto next = peers_.begin(); next != peers_.end();) {
        Peer &peer = *next++;
        if (peer.deadline_us != 0 && peer.deadline_us < now) hang_up(peer);
    }
}

} // namespace gmemfs
