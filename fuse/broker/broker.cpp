#include "fuse/broker/broker.hpp"

#include "fuse/host/front.hpp"
#include "fuse/host/host.hpp"
#include "fuse/host/log.hpp"
#include "fuse/mounts/mount_table.hpp"

#include <algorithm>
#include <fcntl.h>
#include <sys/resource.h>
#include <sys/socket.h>
#include <unistd.h>

#ifndef SO_PASSPIDFD
#define SO_PASSPIDFD 76 // of <asm-generic/socket.h>, since Linux 6.5
#endif
#ifndef SCM_PIDFD
#define SCM_PIDFD 0x04 // of <linux/socket.h>, the same
#endif

namespace gmemfs {
namespace {

constexpr std::int64_t kSecond = 1000000;          // microseconds, as g_get_monotonic_time counts
constexpr std::int64_t kIdleTime = 30 * kSecond;   // a peer without a lease says something within this
constexpr std::int64_t kAnswerTime = 10 * kSecond; // a peer takes an answer within this
constexpr std::int64_t kMillisecond = kSecond / 1000;
constexpr std::int64_t kFirstQuestionTime = 100 * kMillisecond; // of connections that have asked for nothing yet
constexpr std::int64_t kLastAnswersTime = kSecond;              // of all, when another server is to go on
constexpr int kAcceptsAtOnce = 16;                              // then others have their turn
constexpr int kSendBufferSize = 1 << 20;
constexpr rlim_t kDescriptorsForOthers = 256; // of the server itself, and of answers under way

// Four descriptors a peer, so the soft limit of 1024 that most systems have would be few.
std::size_t raise_peers_max() {
    rlimit limit = {};
    if (::getrlimit(RLIMIT_NOFILE, &limit) != 0) return kBrokerPeersPerUserMax / 6;
    limit.rlim_cur = limit.rlim_max;
    ::setrlimit(RLIMIT_NOFILE, &limit);
    ::getrlimit(RLIMIT_NOFILE, &limit);
    const rlim_t left = limit.rlim_cur > kDescriptorsForOthers ? limit.rlim_cur - kDescriptorsForOthers : 0;
    return std::min<std::size_t>(kBrokerPeersMax, left / 4);
}

Error refused(int code, const char *detail) { return Error{code, 0, "connect to the broker", detail}; }

} // namespace

Broker::Broker(Host &host, Front &front, const TicketMaker &tickets, Copiers copiers)
    : host_(host), front_(front), tickets_(tickets), copiers_(std::move(copiers)), filesystem_(front.filesystem()),
      leases_(host.volume().leases()), keeper_(host.survival() == nullptr ? nullptr : &host.survival()->keeper()) {}

Result<std::unique_ptr<Broker>> Broker::make(Host &host, Front &front) {
    const auto *const survival = host.survival();
    const TicketMaker tickets(survival != nullptr ? survival->ticket_secret() : TRY(make_secret()));
    Copiers copiers = TRY(Copiers::create(host.devices()));
    std::unique_ptr<Broker> broker(new Broker(host, front, tickets, std::move(copiers)));
    broker->peers_max_ = raise_peers_max();
    broker->reserve_ = Fd(::open("/dev/null", O_RDONLY | O_CLOEXEC));
    return broker;
}

Result<std::unique_ptr<Broker>> Broker::create(Host &host, Front &front) {
    std::unique_ptr<Broker> broker = TRY(make(host, front));
    Result<BrokerSocket> socket = BrokerSocket::bind_in_mount(host.options().mount_point, broker->filesystem_);
    if (!socket) {
        log(LogLevel::debug, "broker", socket.error(), "an abstract socket instead");
        socket = BrokerSocket::bind_abstract();
    }
    broker->listen(TRY(std::move(socket)));
    broker->take_over_peers();
    broker->look_at_mounts(); // before they were watched
    log(LogLevel::info, "broker", "listens on " + broker->address_);
    return broker;
}

void Broker::listen(BrokerSocket socket) {
    listener_ = std::move(socket.fd);
    address_ = std::move(socket.address);
    mounts_ = Fd(::open("/proc/self/mountinfo", O_RDONLY | O_CLOEXEC));
    listens_ = FdSource(
        listener_.get(), G_IO_IN,
        [](gint, GIOCondition, gpointer data) -> gboolean {
            static_cast<Broker *>(data)->accept();
            return G_SOURCE_CONTINUE;
        },
        this);
    watches_mounts_.emplace([this] { look_at_mounts(); });
    timer_ = g_timeout_add_seconds(
        1,
        [](gpointer data) -> gboolean {
            static_cast<Broker *>(data)->tick();
            return G_SOURCE_CONTINUE;
        },
        this);
    keep_listener();
}

void Broker::look_at_mounts() {
    if (mounts_ && !is_mounted(read_mounts(mounts_), filesystem_)) close();
}

Broker::~Broker() {
    if (timer_ != 0) g_source_remove(timer_);
    if (tells_names_ != 0) g_source_remove(tells_names_);
    if (!makes_way_) close();
}

void Broker::make_way() {
    const auto is_answering = [](const Peer &peer) { return !peer.outgoing.empty() || peer.listing; };
    // Who connects from here on waits for the next server, which gets the listener. Who is connected already and has no
    // lease would lose the connection, perhaps with a question in it.
    listens_ = FdSource();
    const auto is_new = [](const Peer &peer) { return peer.socket && peer.holder == 0; };
    const std::int64_t began = g_get_monotonic_time();
    const auto is_waited_for = [&](const Peer &peer) {
        const std::int64_t waited = g_get_monotonic_time() - began;
        return is_answering(peer) ? waited < kLastAnswersTime : is_new(peer) && waited < kFirstQuestionTime;
    };
    while (std::any_of(peers_.begin(), peers_.end(), is_waited_for))
        if (!g_main_context_iteration(nullptr, FALSE)) g_usleep(kMillisecond);
    tell_names();
    makes_way_ = true;
}

void Broker::accept() {
    for (int count = 0; count < kAcceptsAtOnce && listener_; ++count) {
        Fd socket(::accept4(listener_.get(), nullptr, nullptr, SOCK_CLOEXEC | SOCK_NONBLOCK));
        if (socket) {
            greet(std::move(socket));
            continue;
        }
        if (errno != EMFILE && errno != ENFILE) return;
        reserve_.reset(); // else the waiting connection would have this called for ever
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
    Peer peer = {.broker = *this, .socket = std::move(socket)};
    Result<Credentials> who = read_credentials(peer.socket.get(), peer.pid);
    if (!who) return log(LogLevel::info, "broker", who.error(), "a peer was turned away");
    peer.who = *std::move(who);
    if (peer.pid == 0) { // no number here, because since Linux 6.5 a descriptor names the process that sends a message
        constexpr int kOn = 1;
        ::setsockopt(peer.socket.get(), SOL_SOCKET, SO_PASSPIDFD, &kOn, sizeof kOn);
        peer.process = PeerProcess::of_socket(peer.socket.get(), peer.pid);
    }
    ::setsockopt(peer.socket.get(), SOL_SOCKET, SO_SNDBUF, &kSendBufferSize, sizeof kSendBufferSize);
    const Result<void> admitted = admit(peer);
    if (!admitted) {
        const Message answer = refusal(admitted.error());
        (void)::send(peer.socket.get(), answer.bytes.data(), answer.bytes.size(), MSG_NOSIGNAL | MSG_DONTWAIT);
        return;
    }
    peers_.push_back(std::move(peer));
    count();
    wait_for_input(peers_.back());
}

void Broker::wait_for_input(Peer &peer) {
    const bool has_files = lease_count_of(peer) != 0 || peer.own_directory != 0; // or it will have some again
    peer.deadline_us = has_files ? 0 : g_get_monotonic_time() + kIdleTime;
    peer.source = FdSource(
        peer.socket.get(), GIOCondition(G_IO_IN | G_IO_HUP | G_IO_ERR),
        [](gint, GIOCondition, gpointer data) -> gboolean {
            auto &self = *static_cast<Peer *>(data);
            self.broker.serve(self); // may end the peer, which owns this source
            return G_SOURCE_CONTINUE;
        },
        &peer);
}

// The request stays in the socket until its change is recorded, so that a server that dies before leaves the request to
// the next one.
void Broker::serve(Peer &peer) {
    const Result<Request> request = peek(peer);
    if (!request && (request.error().code == EAGAIN || request.error().code == EINTR)) return;
    if (!request || request->size == 0) return hang_up(peer);
    respond(peer, *request);
    peer.is_adopted = false;
    (void)::recv(peer.socket.get(), nullptr, 0, MSG_DONTWAIT | MSG_TRUNC);
    send(peer);
}

Result<Broker::Request> Broker::peek(const Peer &peer) {
    Request request;
    // Room for the sender's credentials and pidfd alone. The kernel closes other descriptors, or this does, below.
    alignas(cmsghdr) char control[CMSG_SPACE(sizeof(ucred)) + CMSG_SPACE(sizeof(int))];
    iovec part = {request.bytes.data(), request.bytes.size()};
    msghdr message = {};
    message.msg_iov = &part;
    message.msg_iovlen = 1;
    message.msg_control = control;
    message.msg_controllen = peer.pid != 0 ? CMSG_SPACE(sizeof(ucred)) : sizeof control;
    // MSG_TRUNC: the size that it had; a longer one is no request.
    const ssize_t size = ::recvmsg(peer.socket.get(), &message, MSG_PEEK | MSG_DONTWAIT | MSG_TRUNC | MSG_CMSG_CLOEXEC);
    if (size < 0) return Error{errno, 0, "receive from peer"};
    request.size = static_cast<std::size_t>(size);
    for (cmsghdr *header = CMSG_FIRSTHDR(&message); header != nullptr; header = CMSG_NXTHDR(&message, header)) {
        if (header->cmsg_level != SOL_SOCKET) continue;
        if (header->cmsg_type == SCM_CREDENTIALS) {
            ucred credentials = {};
            std::memcpy(&credentials, CMSG_DATA(header), sizeof credentials);
            request.pid = credentials.pid;
        } else if (header->cmsg_type == SCM_PIDFD || header->cmsg_type == SCM_RIGHTS) {
            const std::size_t count =
                (header->cmsg_len - CMSG_LEN(0)) / sizeof(int); // padding has room for a second one
            for (std::size_t index = 0; index < count; ++index) {
                int fd = -1;
                std::memcpy(&fd, CMSG_DATA(header) + index * sizeof fd, sizeof fd);
                Fd owned(fd);
                if (header->cmsg_type == SCM_PIDFD) request.process = std::move(owned);
            }
        }
    }
    return request;
}

// A child has its parent's connection, and none of its leases.
bool Broker::is_from(const Peer &peer, const Request &request) {
    if (request.pid && *request.pid != peer.pid) return false;
    if (peer.pid != 0 || !request.process || !peer.process.is_known()) return true;
    return peer.process.is_same(request.process);
}

void Broker::respond(Peer &peer, const Request &request) {
    Result<std::vector<Message>> messages = answer(peer, request);
    if (messages)
        for (Message &message : *messages) peer.outgoing.push_back(std::move(message));
    else
        peer.outgoing.push_back(refusal(messages.error()));
    count();
}

Result<std::vector<Broker::Message>> Broker::answer(Peer &peer, const Request &request) {
    const protocol::Request parsed =
        TRY(protocol::parse_request(std::span(request.bytes).first(std::min(request.size, request.bytes.size()))));
    const bool is_own = is_from(peer, request);
    std::vector<Message> messages;
    const auto *const wanted = std::get_if<protocol::Attach>(&parsed);
    const auto *const near = std::get_if<protocol::AttachNear>(&parsed);
    if (wanted != nullptr || near != nullptr) {
        if (!is_own)
            return Error{
                EPERM, 0, "attach", "another process made this connection: each makes its own, after a fork, too"};
        if (near != nullptr) return attach(peer, *near);
        return wanted->header.kind == protocol::Kind::attach ? attach(peer, {*wanted, {}}) : list(peer, *wanted);
    }
    if (const auto *const donation = std::get_if<protocol::Donate>(&parsed)) {
        if (!is_own) return Error{EPERM, 0, "take memory", "another process made this connection: each makes its own"};
        messages.push_back(message_of(TRY(donate(peer, *donation))));
        return messages;
    }
    // A process that doesn't hold the lease has nothing to release, so the release is done already.
    if (is_own) TRY(release(peer, std::get<protocol::Release>(parsed).lease));
    messages.push_back(success());
    return messages;
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
        if (!sent) return hang_up(peer); // the peer has gone, or takes no more descriptors (ETOOMANYREFS)
        peer.outgoing.pop_front();
    }
    if (!peer.listing) {
        leases_.answered(peer.holder);
        return wait_for_input(peer);
    }
    share_next(peer);
    wait_for_room(peer); // and other peers have their turn first
}

void Broker::wait_for_room(Peer &peer) {
    peer.deadline_us = g_get_monotonic_time() + kAnswerTime;
    peer.source = FdSource(
        peer.socket.get(), GIOCondition(G_IO_OUT | G_IO_HUP | G_IO_ERR),
        [](gint, GIOCondition, gpointer data) -> gboolean {
            auto &self = *static_cast<Peer *>(data);
            self.broker.send(self);
            return G_SOURCE_CONTINUE;
        },
        &peer);
}

} // namespace gmemfs
