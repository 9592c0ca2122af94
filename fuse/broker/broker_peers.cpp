// Broker, peers' lives: how peers hold leases, what the keeper keeps of them for the next server, and their end.
//
//     number of what is kept     a peer's: 4 x holder + 0 its table of blocks, + 1 the socket, + 2 the pidfd, + 3
//                                its memory
//                                the listening socket: bit 63, and the filesystem's number, major and minor
#include "fuse/broker/broker.hpp"
#include "fuse/host/front.hpp"
#include "fuse/host/host.hpp"
#include "fuse/host/log.hpp"

#include <algorithm>
#include <cstdlib>

namespace gmemfs {
namespace {

using keeper_protocol::Keep;

constexpr std::int64_t kExecTime =
    1000000; // microseconds: what the old program had running on a device is gone by then
constexpr std::uint64_t kNumbersOfPeer = 4;
constexpr std::uint64_t kBlocks = 0, kSocket = 1, kProcess = 2, kMemory = 3;
constexpr std::uint64_t kListener = std::uint64_t(1) << 63;

std::uint64_t number_of(Leases::Id holder, std::uint64_t what) { return holder * kNumbersOfPeer + what; }

std::uint64_t number_of_listener(const std::string &filesystem) { // "major:minor"
    const std::uint64_t major = std::strtoull(filesystem.c_str(), nullptr, 10);
    const std::uint64_t minor = std::strtoull(filesystem.c_str() + filesystem.find(':') + 1, nullptr, 10);
    return kListener | major << 32 | minor;
}

Fd take(std::map<std::uint64_t, Fd> &kept, std::uint64_t number) {
    const auto found = kept.find(number);
    if (found == kept.end()) return Fd();
    Fd fd = std::move(found->second);
    kept.erase(found);
    return fd;
}

} // namespace

void Broker::keep_listener() {
    if (keeper_ == nullptr) return;
    keeper_->drop_fds(kListener, kListener - 1);
    keeper_->keep_fd(number_of_listener(filesystem_), Keep::with_server, listener_);
}

Result<std::unique_ptr<Broker>> Broker::take_over(Host &host, Front &front) {
    std::unique_ptr<Broker> broker = TRY(make(host, front));
    if (broker->keeper_ == nullptr) return std::unique_ptr<Broker>();
    std::map<std::uint64_t, Fd> kept = TRY(broker->keeper_->kept_fds());
    Fd listener = take(kept, number_of_listener(broker->filesystem_));
    if (!listener) return std::unique_ptr<Broker>();
    BrokerSocket socket = TRY(BrokerSocket::adopt(std::move(listener), host.options().mount_point));
    if (socket.address[0] != '@') { // the kernel knows the socket's inode from the server before this one
        timespec now = {};
        ::clock_gettime(CLOCK_REALTIME, &now);
        TRY(host.volume().names().create_hidden(S_IFSOCK | 0666, {::geteuid(), ::getegid(), {}}, now));
    }
    broker->listen(std::move(socket));
    broker->take_over_peers();
    broker->look_at_mounts(); // unmounted while no server was there, perhaps
    log(LogLevel::info, "broker",
        "goes on at " + broker->address_ + " with " + std::to_string(broker->leases_.count()) + " leases");
    return broker;
}

// What holders the journal has: processes that live, those that have ended meanwhile, and those that nobody can find.
void Broker::take_over_peers() {
    std::map<std::uint64_t, Fd> kept;
    if (keeper_ != nullptr)
        if (Result<std::map<std::uint64_t, Fd>> fds = keeper_->kept_fds()) kept = *std::move(fds);
    std::vector<Leases::Id> holders;
    for (const auto &[id, holder] : leases_.holders()) holders.push_back(id);
    for (const Leases::Id id : holders) take_over_peer(id, kept);
    for (const auto &[number, fd] : kept)
        if (number < kListener) keeper_->drop_fds(number, 1); // of peers that have ended
    count();
}

void Broker::take_over_peer(Leases::Id id, std::map<std::uint64_t, Fd> &kept) {
    const Leases::Holder &holder = leases_.holder(id);
    peers_.push_back({.broker = *this, .socket = take(kept, number_of(id, kSocket))});
    Peer &peer = peers_.back();
    peer.pid = holder.pid;
    peer.holder = id;
    peer.lost_from = holder.unanswered;
    peer.is_adopted = true;
    if (Fd blocks = take(kept, number_of(id, kBlocks))) peer.blocks = std::make_shared<const Fd>(std::move(blocks));
    Fd process = take(kept, number_of(id, kProcess));
    Fd memory = take(kept, number_of(id, kMemory));
    if (process) {
        peer.process = PeerProcess::adopt(std::move(process), std::move(memory), holder.pid, holder.start_time);
    } else {
        std::optional<PeerProcess> found = PeerProcess::find(holder.pid, holder.start_time);
        if (!found) return remove(peer);
        peer.process = *std::move(found);
    }
    if (peer.process.has_ended()) return remove(peer);
    for (const Leases::Id lease : holder.leases)
        if (const Leases::Donated donated = leases_.donated(lease); donated.inode)
            blocks_.add(donated.inode->id(), lease, peer.blocks);
    const Result<Credentials> who = peer.socket ? read_credentials(peer.socket.get(), peer.pid) : Credentials{};
    if (who) peer.who = *who;
    if (!peer.process.is_known())
        log(LogLevel::warning, "broker",
            "a process that held leases before the restart can't be found by number " + std::to_string(holder.pid) +
                ": its files stay open, and are given to nobody alone, until the mount ends");
    else
        watch_process(peer);
    // Nobody knows whether the peer has had the answer, so the peer asks again on another connection.
    if (!peer.socket || !who || peer.lost_from != 0) {
        if (peer.process.is_known()) return hang_up(peer);
        peer.socket.reset();
        return;
    }
    wait_for_input(peer);
}

// From here on the next server knows the peer.
void Broker::become_holder(Peer &peer) {
    if (peer.holder != 0) return;
    if (!peer.process.is_known()) peer.process = PeerProcess::of_socket(peer.socket.get(), peer.pid);
    peer.holder = leases_.add_holder(peer.pid, peer.process.start_time());
    watch_process(peer);
    if (keeper_ == nullptr) return;
    keeper_->keep_fd(number_of(peer.holder, kSocket), Keep::with_server, peer.socket);
    if (peer.process.is_known())
        keeper_->keep_fd(number_of(peer.holder, kProcess), Keep::always, peer.process.process());
    if (peer.process.memory()) keeper_->keep_fd(number_of(peer.holder, kMemory), Keep::always, peer.process.memory());
}

// The same of its table of blocks.
void Broker::keep_blocks(Peer &peer, Fd table) {
    if (keeper_ != nullptr) keeper_->keep_fd(number_of(peer.holder, kBlocks), Keep::always, table);
    peer.blocks = std::make_shared<const Fd>(std::move(table));
}

std::size_t Broker::lease_count_of(const Peer &peer) const {
    return peer.holder == 0 ? 0 : leases_.holder(peer.holder).leases.size();
}

// The leases end with the process, although a child of the process may go on with the connection.
void Broker::watch_process(Peer &peer) {
    if (!peer.process.is_known()) return;
    peer.end = FdSource(
        peer.process.fd(), G_IO_IN,
        [](gint, GIOCondition, gpointer data) -> gboolean {
            auto &self = *static_cast<Peer *>(data);
            self.broker.remove(self);
            return G_SOURCE_CONTINUE;
        },
        &peer);
}

// The peer of that number, if its connection has ended and the number still stands for the same process.
Broker::Peer *Broker::find_ended(const Peer &peer, Leases::Id holder) {
    if (holder == 0) return nullptr;
    const auto found = std::find_if(
        peers_.begin(), peers_.end(), [&](const Peer &other) { return other.holder == holder && !other.socket; });
    return found != peers_.end() && found->process.is_same(peer.process) ? &*found : nullptr;
}

Result<void> Broker::release(Peer &peer, Leases::Id lease) {
    const Leases::Id holder = leases_.find_holder(lease);
    if (holder != 0 && holder == peer.holder) {
        end_lease(lease);
        return {};
    }
    if (!peer.process.is_known()) peer.process = PeerProcess::of_socket(peer.socket.get(), peer.pid);
    Peer *const ended = find_ended(peer, holder);
    if (ended == nullptr) return Error{ENOENT, 0, "release", "this connection has no such lease"};
    end_lease(lease);
    if (lease_count_of(*ended) == 0) remove(*ended);
    return {};
}

// Leases on the file that the same process was granted by answers that never came.
void Broker::end_lost(const Peer &peer, InodeId inode) {
    for (const Peer &other : peers_) {
        if (other.lost_from == 0 || other.socket || !other.process.is_same(peer.process)) continue;
        const std::set<Leases::Id> leases = leases_.holder(other.holder).leases;
        for (auto lease = leases.lower_bound(other.lost_from); lease != leases.end(); ++lease)
            if (leases_.find_inode(*lease) == inode) end_lease(*lease);
    }
}

// The connection has ended. A process that said nothing and lives may have kernels running on what it has mapped, so
// its leases stay until the process has ended, too.
void Broker::hang_up(Peer &peer) {
    if (lease_count_of(peer) == 0 || !peer.process.is_known()) return remove(peer);
    peer.outgoing.clear();
    peer.listing.reset();
    peer.source = FdSource();
    peer.socket.reset();
    peer.deadline_us = 0;
    peer.ended_us = g_get_monotonic_time();
    peer.lost_from = leases_.holder(peer.holder).unanswered;
    if (keeper_ != nullptr) keeper_->drop_fds(number_of(peer.holder, kSocket), 1);
}

void Broker::remove(Peer &peer) {
    std::vector<Leases::Donated> donated;
    if (peer.holder != 0) {
        for (const Leases::Id lease : leases_.holder(peer.holder).leases)
            if (Leases::Donated one = leases_.donated(lease); one.inode) donated.push_back(std::move(one));
        for (const Leases::Donated &one : donated) blocks_.remove(one.inode->id());
    }
    end_donations(peer, donated); // before the leases, so that a server that dies between leaves it to the next one
    if (peer.holder != 0) leases_.remove_holder(peer.holder);
    if (peer.holder != 0 && keeper_ != nullptr) keeper_->drop_fds(number_of(peer.holder, 0), kNumbersOfPeer);
    peers_.remove_if([&](const Peer &other) { return &other == &peer; });
    count();
}

void Broker::tick() {
    const std::int64_t now = g_get_monotonic_time();
    for (auto next = peers_.begin(); next != peers_.end();) {
        Peer &peer = *next++;
        if (peer.deadline_us != 0 && peer.deadline_us < now)
            hang_up(peer);
        else if (!peer.socket && now - peer.ended_us > kExecTime && peer.process.has_left_memory())
            remove(peer); // exec(2): the process lives, and what it had mapped is gone
    }
}

// Called after the unmount, or at the end. Accepted sockets hold the mount as the listening one does, and so do the
// copies that the keeper has for the next server.
void Broker::close() {
    for (auto next = peers_.begin(); next != peers_.end();) {
        Peer &peer = *next++;
        if (peer.socket) hang_up(peer);
    }
    if (!listener_) return;
    listens_ = FdSource();
    listener_.reset();
    if (keeper_ == nullptr) return;
    keeper_->drop_fds(kListener, kListener - 1);
    // A stopped keeper's descriptors hold the filesystem, so the kernel would tell nobody of the unmount.
    if (!keeper_->catch_up() && keeper_->is_stopped()) front_.end();
}

void Broker::count() {
    peer_count_.store(peers_.size(), std::memory_order_relaxed);
    lease_count_.store(leases_.count(), std::memory_order_relaxed);
}

} // namespace gmemfs
