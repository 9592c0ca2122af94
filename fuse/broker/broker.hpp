// Broker: gives peers the handles of files' memory, each with a lease, over a Unix socket.
//
// The main loop serves one message of one peer at a time, so that no peer can starve another one. The broker never
// waits for a peer. docs/broker.md has the protocol; docs/threads.md says why the main thread may ask its own mount.
//
//     connected --attach--> holds leases --end of the process, or of the connection after the last release--> gone
//                                |
//                                +-- the connection ends without a release, and the process lives: its kernels may
//                                    still run, so its leases stay until the process has ended, or called exec
//
// From the first lease on, the keeper has copies of the peer's socket and of the descriptors that name its process. The
// next server goes on with these copies, so a server's death ends no lease.
#pragma once

#include "fuse/broker/block_list.hpp"
#include "fuse/broker/broker_socket.hpp"
#include "fuse/broker/peer_process.hpp"
#include "fuse/broker/ticket.hpp"
#include "fuse/core/lease.hpp"
#include "fuse/mounts/mount_table_watch.hpp"
#include "vmm/memory/copiers.hpp"

#include <glib-unix.h>

#include <array>
#include <atomic>
#include <deque>
#include <list>
#include <map>
#include <memory>
#include <optional>
#include <span>
#include <string>
#include <utility>
#include <vector>

namespace gmemfs {

class KeeperClient;
class Front;
class Host;

/// Owner of a source of the main loop that waits for a descriptor. Move-only. Not thread-safe.
class FdSource {
public:
    FdSource() = default;
    FdSource(int fd, GIOCondition condition, GUnixFDSourceFunc function, void *data)
        : id_(g_unix_fd_add(fd, condition, function, data)) {}
    FdSource(FdSource &&other) noexcept : id_(std::exchange(other.id_, 0)) {}
    FdSource &operator=(FdSource &&other) noexcept {
        std::swap(id_, other.id_);
        return *this;
    }
    ~FdSource() {
        if (id_ != 0) g_source_remove(id_);
    }

private:
    guint id_ = 0;
};

/// Only the main thread calls this class, but for the const methods, which are thread-safe.
class Broker {
public:
    /// Listens inside the mount where this process may, else on an abstract socket. `front` serves requests already,
    /// because bind(2) makes the kernel send some. Errors: see BrokerSocket.
    static Result<std::unique_ptr<Broker>> create(Host &host, Front &front);
    /// Goes on with the socket of the server before this one, so that no peer notices the change. Called before workers
    /// run. Null: there is no such socket, or it is another mount's.
    static Result<std::unique_ptr<Broker>> take_over(Host &host, Front &front);
    /// Closes the connections, unless make_way() was called. Leases stay, because the volume owns them.
    ~Broker();
    Broker(const Broker &) = delete;
    Broker &operator=(const Broker &) = delete;

    const std::string &address() const { return address_; }                      ///< the value of `user.gmemfs.socket`
    bool is_in_mount() const { return listener_ && !address_.starts_with('@'); } ///< so it holds a copy of the mount
    /// Leaves connections and socket to the next server. Answers that are under way are sent first; that takes a second
    /// at the most.
    void make_way();

    const TicketMaker &tickets() const { return tickets_; }
    const BlockTables &blocks() const { return blocks_; } ///< of programs' pools
    std::size_t peer_count() const { return peer_count_.load(std::memory_order_relaxed); }
    std::size_t lease_count() const { return lease_count_.load(std::memory_order_relaxed); }

private:
    struct Message {
        std::vector<std::byte> bytes;
        std::vector<Fd> fds;
    };
    // A request for all files of a directory. They are shared one after the other, and the main loop serves other peers
    // in between.
    struct Listing {
        protocol::Attach attach;
        std::vector<std::pair<std::string, InodeId>> files;
        std::uint32_t next = 0;
    };
    struct Peer {
        Broker &broker;
        Fd socket;                // none: the connection has ended, but the process lives
        PeerProcess process = {}; // from the first lease on
        pid_t pid = 0;            // 0: the process has no number in this PID namespace
        Credentials who = {};
        Leases::Id holder = 0;     // from the first lease on
        Leases::Id lost_from = 0;  // the peer never got the answers that grant the leases from this number on; 0: none
        std::int64_t ended_us = 0; // when the connection ended
        std::deque<Message> outgoing = {}; // nothing is read while there are such messages, or a listing
        std::optional<Listing> listing = {};
        std::shared_ptr<const Fd> blocks = {}; // the table of its pool's blocks
        bool is_adopted = false;      // from a server before this one, which may have begun with the next request
        InodeId own_directory = 0;    // of its process, in which donations are; 0: none, or before a restart
        std::int64_t deadline_us = 0; // by then the peer must have taken its next step; 0: no limit
        FdSource source = {};         // waits for the peer
        FdSource end = {};            // waits for the end of its process
    };
    // A process without a connection, whose directory goes when it ends, if it is empty.
    struct Leaving {
        Broker &broker;
        InodeId home;
        PeerProcess process;
        FdSource end = {};
        Leaving(Broker &its, InodeId directory, PeerProcess ends)
            : broker(its), home(directory), process(std::move(ends)) {}
    };
    // A message, and which process sent it.
    struct Request {
        std::size_t size = 0; // as it was sent; may be more than kRequestSizeMax
        std::optional<pid_t> pid = {};
        Fd process = {};
        std::array<std::byte, protocol::kRequestSizeMax> bytes = {};
    };
    using Peers = std::list<Peer>;

    Broker(Host &host, Front &front, const TicketMaker &tickets, Copiers copiers);
    static Result<std::unique_ptr<Broker>> make(Host &host, Front &front);
    void listen(BrokerSocket socket);
    void look_at_mounts();
    void keep_listener();
    void accept();
    void greet(Fd socket);
    Result<void> admit(const Peer &peer) const;
    void serve(Peer &peer);
    static Result<Request> peek(const Peer &peer);
    static bool is_from(const Peer &peer, const Request &request);
    void respond(Peer &peer, const Request &request);
    Result<std::vector<Message>> answer(Peer &peer, const Request &request);
    Result<std::vector<Message>> attach(Peer &peer, const protocol::AttachNear &wanted);
    Result<protocol::Answer> donate(Peer &peer, const protocol::Donate &donation);
    void end_unfinished(const Peer &peer, InodeId home, const std::string &name);
    void name_changed(InodeId parent, const std::string &name);
    void tell_names();
    void end_lease(Leases::Id lease);
    std::vector<Namespace::Place> drop_file(const Leases::Donated &donated);
    void end_donations(Peer &peer, std::span<const Leases::Donated> ended);
    InodeId find_home(const Peer &peer, InodeId folder);
    void remove_empty(InodeId home);
    Result<std::vector<Message>> list(Peer &peer, const protocol::Attach &attach);
    void share_next(Peer &peer);
    // What a peer gets of one file.
    struct Granted {
        protocol::Answer answer; // without what each message says of itself
        std::vector<File::Shared> extents;
    };
    Result<Granted> share(Peer &peer, const InodeRef &inode, const protocol::AttachNear &wanted);
    Result<Granted> share(Peer &peer, const InodeRef &inode, const protocol::AttachNear &wanted, Leases::Id lease);
    static Message message_of(const protocol::Answer &answer);
    static Message success();
    static Message refusal(const Error &error);
    Result<void> release(Peer &peer, Leases::Id lease);
    void send(Peer &peer);
    void wait_for_input(Peer &peer);
    void wait_for_room(Peer &peer);
    // Of peers' lives: broker_peers.cpp.
    void become_holder(Peer &peer);
    void keep_blocks(Peer &peer, Fd table);
    std::size_t lease_count_of(const Peer &peer) const;
    Peer *find_ended(const Peer &peer, Leases::Id holder);
    void end_lost(const Peer &peer, InodeId inode);
    void take_over_peers();
    void take_over_peer(Leases::Id holder, std::map<std::uint64_t, Fd> &kept);
    void watch_process(Peer &peer);
    void hang_up(Peer &peer);
    void remove(Peer &peer);
    void tick();
    void close();
    void count();

    Host &host_;
    Front &front_;
    const TicketMaker tickets_;
    BlockTables blocks_;
    Copiers copiers_; // of the main thread: settling a file copies on the device
    Fd listener_;
    Fd reserve_; // given up to accept and refuse a connection when no descriptor is left
    std::string address_;
    const std::string filesystem_; // the mount's number: see fuse/mounts/mount_table.hpp
    std::size_t peers_max_ = 0;
    Leases &leases_;       // the volume's
    KeeperClient *keeper_; // null: nothing outlives this server
    Peers peers_;
    std::list<Leaving> leaving_;
    FdSource listens_;
    Fd mounts_; // the table of mounts, open from the start: later there may be no descriptor left
    std::optional<MountTableWatch> watches_mounts_;
    guint timer_ = 0;
    std::vector<Namespace::Place> changed_names_; // that the kernel hasn't been told of yet
    guint tells_names_ = 0;                       // the source that will
    bool makes_way_ = false;
    std::atomic<std::size_t> peer_count_ = 0, lease_count_ = 0;
};

} // namespace gmemfs
