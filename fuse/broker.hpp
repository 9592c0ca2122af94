// Broker: hands files' memory out to peers: descriptors or fabric handles, with a lease, over a Unix socket.
//
// The main loop serves it, one message of one peer at a time, so that no peer can starve another one; it never waits
// for a peer. docs/broker.md has the protocol, docs/threads.md why the main thread may ask its own mount.
//
//     connected --attach--> holds leases --release of the last, or end--> gone
//                                |
//                                +-- the connection ends without a release, and the process lives: its kernels may
//                                    still run, so its leases stay until the process has ended
#pragma once

#include "fuse/broker_socket.hpp"
#include "fuse/core/lease.hpp"
#include "fuse/ticket.hpp"
#include "vmm/copiers.hpp"

#include <glib-unix.h>

#include <atomic>
#include <deque>
#include <list>
#include <memory>
#include <optional>
#include <span>
#include <string>
#include <utility>
#include <vector>

namespace gmemfs {

class Server;

/// The main thread's, but for the const methods, which are thread-safe.
class Broker {
public:
    /// Listens inside the mount where it may, else on an abstract socket. The workers of `server` run, because bind(2)
    /// asks them. Errors: see BrokerSocket.
    static Result<std::unique_ptr<Broker>> create(Server &server);
    ~Broker();
    Broker(const Broker &) = delete;
    Broker &operator=(const Broker &) = delete;

    const std::string &address() const { return address_; }         ///< the value of `user.gmemfs.socket`
    bool is_in_mount() const { return !address_.starts_with('@'); } ///< it holds a copy of the mount
    const TicketMaker &tickets() const { return tickets_; }
    std::size_t peer_count() const { return peer_count_.load(std::memory_order_relaxed); }
    std::size_t lease_count() const { return lease_count_.load(std::memory_order_relaxed); }

private:
    struct Message {
        std::vector<std::byte> bytes;
        std::vector<Fd> fds;
    };
    // What a directory's files are shared one after the other for: the main loop serves other peers in between.
    struct Listing {
        protocol::Attach attach;
        std::vector<std::pair<std::string, InodeId>> files;
        std::uint32_t next = 0;
    };
    struct Peer {
        Broker &broker;
        Fd socket;  // none: the connection has ended, and the process hasn't
        Fd process; // a pidfd, from the first lease on; none where the kernel can't say which process it is
        pid_t pid = 0;
        Credentials who = {};
        std::vector<Leases::Id> leases = {};
        std::deque<Message> outgoing = {}; // while it isn't empty, or there is a listing, nothing is read
        std::optional<Listing> listing = {};
        std::int64_t deadline_us = 0; // of the next step that is the peer's; 0: none
        guint source = 0;             // the one that waits for the peer
    };
    using Peers = std::list<Peer>;

    Broker(Server &server, TicketMaker tickets, Copiers copiers)
        : server_(server), tickets_(tickets), copiers_(std::move(copiers)) {}
    void accept();
    void greet(Fd socket);
    Result<void> admit(const Peer &peer) const;
    void serve(Peer &peer);
    void respond(Peer &peer, std::span<const std::byte> bytes);
    Result<std::vector<Message>> attach(Peer &peer, const protocol::Attach &attach);
    Result<std::vector<Message>> list(Peer &peer, const protocol::Attach &attach);
    void share_next(Peer &peer);
    struct SharedFile {
        protocol::Answer answer; // without what each message says of itself
        std::vector<File::Shared> extents;
    };
    Result<SharedFile> share(Peer &peer, const InodeRef &inode, const protocol::Attach &attach);
    Result<SharedFile> share(Peer &peer, const InodeRef &inode, const protocol::Attach &attach, Leases::Id lease);
    static Message success();
    static Message refusal(const Error &error);
    Result<void> release(Peer &peer, Leases::Id lease);
    void send(Peer &peer);
    void wait_for_input(Peer &peer);
    void wait_for_room(Peer &peer);
    void hang_up(Peer &peer);
    void remove(Peer &peer);
    void watch(Peer &peer, int fd, GIOCondition condition, GUnixFDSourceFunc function);
    void end_late();
    void close();

    Server &server_;
    const TicketMaker tickets_;
    Copiers copiers_; // of the main thread: settling a file copies on the device
    Fd listener_;
    Fd reserve_; // given up to accept and refuse a connection when no descriptor is left
    Fd mounts_;  // the table of mounts
    std::string address_, filesystem_;
    std::size_t peers_max_ = 0;
    Leases leases_;
    Peers peers_;
    std::vector<guint> sources_;
    std::atomic<std::size_t> peer_count_ = 0, lease_count_ = 0;
};

} // namespace gmemfs
