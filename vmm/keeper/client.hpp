// KeeperClient: asks the keeper's process for extents, imports what it gives, and maps it into the server.
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

/// Thread-safe: requests go one at a time, about 10 us each without the driver's part.
class KeeperClient final : public Keeper {
public:
    /// `socket` is connected to a keeper, whose only server this process becomes. Errors: what kept the keeper from
    /// starting. EPROTO: the keeper speaks another version.
    static Result<std::unique_ptr<KeeperClient>> connect(const Driver &driver, Fd socket);

    Result<Id> create(const DeviceInfo &device, std::uint64_t size) override EXCLUDES(mutex_);
    Result<Id> donate(const DeviceInfo &device, std::uint64_t size, Fd memory) override EXCLUDES(mutex_);
    Result<Mapping> map(Id id, std::uint64_t size) override EXCLUDES(mutex_);
    void release(Id id) override EXCLUDES(mutex_);
    bool has_fabric(Id id) override EXCLUDES(mutex_);
    Result<FabricHandle> export_fabric(Id id) override EXCLUDES(mutex_);
    Result<Fd> export_fd(Id id) override EXCLUDES(mutex_);
    Result<std::vector<Held>> list() override
        EXCLUDES(mutex_); ///< and takes them over: has_fabric() knows them from now on

    /// Has the keeper keep a copy of `fd` for the next server, under a number that isn't 0. Doesn't wait for the
    /// keeper. Nothing is promised: a keeper of an older version, or one without room, keeps nothing.
    void keep_fd(std::uint64_t number, keeper_protocol::Keep keep, const Fd &fd) EXCLUDES(mutex_);
    /// The keeper closes the descriptors that it keeps under the `count` numbers from `first` on.
    void drop_fds(std::uint64_t first, std::uint64_t count) EXCLUDES(mutex_);
    /// All descriptors that the keeper keeps, by number.
    Result<std::map<std::uint64_t, Fd>> kept_fds() EXCLUDES(mutex_);
    /// Waits until the keeper has carried out every keep_fd() and drop_fds().
    Result<void> catch_up() EXCLUDES(mutex_);

    std::uint64_t nonce() const { return nonce_; } ///< names this keeper: another keeper's ids mean other memory
    int socket() const { return socket_.get(); }   ///< to poll: POLLHUP comes when the keeper dies
    /// True at once when the keeper has died, also where no request was made since. A keeper that is_stopped() isn't
    /// dead yet.
    bool is_dead() const;
    bool is_stopped() const { return is_late_; } ///< the keeper didn't answer in time; it may live
    /// From now on the keeper accepts new connections on `listener`, a bound and listening socket. ENOTSUP: the keeper
    /// is an older program's.
    Result<void> listen(const Fd &listener) EXCLUDES(mutex_);
    /// Leaves what the keeper holds to the next server. From then on release() does nothing.
    void let_go() { dead_ = true, is_late_ = false; }
    /// Ends the keeper, which frees its memory, after the mount has been unmounted on purpose. Waits for the keeper's
    /// end, 10 seconds at the most. From then on release() does nothing, and everything else fails.
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
    bool takes_donations_ = false;
    std::atomic<bool> dead_ = false;    // died, was lost, or was told to end
    std::atomic<bool> is_late_ = false; // lost because it didn't answer; it may live
    Mutex mutex_;
    std::unordered_set<Id> with_fabric_ GUARDED_BY(mutex_);
};

/// Tells the keeper behind `socket` to end, and waits for its end, 10 seconds at the most. For a mount that has no
/// server.
void end_keeper(const Fd &socket);

} // namespace gmemfs
