// KeeperClient: the server's side of the keeper: asks its process for extents, imports what it gives, and maps it.
#pragma once

#include "vmm/base/lock.hpp"
#include "vmm/keeper/protocol.hpp"
#include "vmm/memory/keeper.hpp"

#include <atomic>
#include <map>
#include <memory>
#include <span>
#include <unordered_set>

namespace gmemfs {

/// Thread-safe: one request at a time, about 10 us each without the driver's part.
class KeeperClient final : public Keeper {
public:
    /// `socket` is connected to a keeper, whose only server this becomes. Errors: what kept the keeper from starting;
    /// EPROTO: it speaks another version.
    static Result<std::unique_ptr<KeeperClient>> connect(const Driver &driver, Fd socket);

    Result<Id> create(const DeviceInfo &device, std::uint64_t size) override EXCLUDES(mutex_);
    Result<Mapping> map(Id id, const DeviceInfo &device, std::uint64_t size) override EXCLUDES(mutex_);
    void release(Id id) override EXCLUDES(mutex_);
    bool has_fabric(Id id) override EXCLUDES(mutex_);
    Result<FabricHandle> export_fabric(Id id) override EXCLUDES(mutex_);
    Result<Fd> export_fd(Id id) override EXCLUDES(mutex_);
    Result<std::vector<Held>> list() override
        EXCLUDES(mutex_); ///< and takes them over: what they are is known from now

    /// Keeps a copy of `fd` for the next server, under a number that isn't 0, and doesn't wait for the keeper. It is
    /// not promised: a keeper of an older version, or one without room, keeps nothing.
    void keep_fd(std::uint64_t number, keeper_protocol::Keep keep, const Fd &fd) EXCLUDES(mutex_);
    /// Those under the `count` numbers from `first` on are let go.
    void drop_fds(std::uint64_t first, std::uint64_t count) EXCLUDES(mutex_);
    /// All that is kept, by number.
    Result<std::map<std::uint64_t, Fd>> kept_fds() EXCLUDES(mutex_);
    /// Waits until the keeper has done all that it wasn't waited for.
    Result<void> catch_up() EXCLUDES(mutex_);

    std::uint64_t nonce() const { return nonce_; } ///< of this keeper: ids of another one mean other memory
    int socket() const { return socket_.get(); }   ///< to be woken when the keeper dies (POLLHUP)
    /// At once, also where nobody has asked it for anything since; and not where it is_stopped().
    bool is_dead() const;
    bool is_stopped() const { return is_late_; } ///< it didn't answer in time, and may live
    /// New connections come by `listener`, a bound and listening socket, from now on. ENOTSUP: it is an older
    /// program's.
    Result<void> listen(const Fd &listener) EXCLUDES(mutex_);
    /// The keeper is to keep what it holds for the next server: from then on release() does nothing.
    void let_go() { dead_ = true, is_late_ = false; }
    /// The mount has been unmounted on purpose: the keeper ends, and its memory is free. Waits for that, 10 seconds at
    /// the most. From then on release() does nothing, and everything else fails.
    void end() EXCLUDES(mutex_);

private:
    KeeperClient(const Driver &driver, Fd socket) : driver_(driver), socket_(std::move(socket)) {}

    struct Reply {
        keeper_protocol::Answer answer;
        Fd fd;
    };
    Result<Reply> ask(keeper_protocol::Operation operation, keeper_protocol::Request request, const Fd &passed = {})
        EXCLUDES(mutex_);
    Result<Allocation> import(Id id) EXCLUDES(mutex_);
    Result<Fd> ask_for_fd(keeper_protocol::Operation operation, Id id) EXCLUDES(mutex_);
    Result<std::vector<Fd>> exchange(keeper_protocol::Operation operation, keeper_protocol::Request request,
        std::span<std::byte> answer, std::size_t &size, const Fd &passed) EXCLUDES(mutex_);
    void tell(keeper_protocol::Operation operation, keeper_protocol::Request request, const Fd &passed)
        EXCLUDES(mutex_);
    Error lost(const Error &why);

    const Driver &driver_;
    const Fd socket_;
    std::uint64_t nonce_ = 0;
    bool keeps_fds_ = false;
    bool can_listen_ = false;
    std::atomic<bool> dead_ = false;    // died, was lost, or was told to end
    std::atomic<bool> is_late_ = false; // lost because it didn't answer: it may live
    Mutex mutex_;
    std::unordered_set<Id> with_fabric_ GUARDED_BY(mutex_);
};

/// Tells the keeper behind `socket` to end, and waits for it, 10 seconds at the most: for a mount without a server.
void end_keeper(const Fd &socket);

} // namespace gmemfs
