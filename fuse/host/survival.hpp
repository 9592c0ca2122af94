// Survival: what outlives the server: its runtime folder, its keeper, its journal. docs/keeper.md says who ends them.
#pragma once

#include "fuse/core/journal/journal.hpp"
#include "fuse/core/volume.hpp"
#include "fuse/host/options.hpp"
#include "fuse/host/runtime_folder.hpp"
#include "vmm/keeper/client.hpp"

#include <atomic>
#include <memory>
#include <set>
#include <string>

namespace gmemfs {

/// Not thread-safe, but for keeper(), which returns the same thread-safe object always.
class Survival {
public:
    /// Takes the runtime folder. Errors: see RuntimeFolder::take.
    static Result<std::unique_ptr<Survival>> create(const std::string &mount_point);
    /// What a start that failed began is ended; what a dead server left stays for the next one.
    ~Survival();
    Survival(const Survival &) = delete;
    Survival &operator=(const Survival &) = delete;

    const std::string &name() const { return folder_.name(); } ///< unique to the mount point

    const RuntimeFolder &folder() const { return folder_; }

    /// Connects to the keeper that a dead server left, or starts one. Before the driver is opened: it forks.
    /// EIDRM: with Session::goes_on, whose memory a new one hasn't.
    enum class Session { begins, goes_on };
    Result<void> find_keeper(const Options &options, const std::string &library, Session session);
    /// After the driver was opened. Errors: what keeps the keeper from working.
    Result<Keeper *> greet_keeper(const Driver &driver);
    /// A keeper that dies, and a folder that somebody removes, are noticed by the main loop; the log says what it
    /// means.
    void watch();
    /// Whether another server could go on where this one ends; a folder that was removed is made again for that.
    /// EIDRM: no, and why.
    Result<void> check();
    bool is_folder_lost() const { return is_folder_lost_; } ///< it couldn't be made again; any thread
    const KeeperClient &keeper() const { return *client_; }
    KeeperClient &keeper() { return *client_; }
    /// What tickets are signed with, in this server's life and the next one's; after recover().
    const Secret &ticket_secret() const { return ticket_secret_; }
    bool is_recovery() const { return is_recovery_; } ///< the keeper was there before this server

    /// Gives `volume`, which is empty yet, what the journal of a dead server says, and from here on has it recorded. A
    /// journal of a keeper that is gone tells only what was lost. Errors: see Volume::restore.
    Result<void> recover(Volume &volume, Namespace::KernelMemory memory);
    bool is_fresh() const { return is_fresh_; } ///< recover() found nothing: the volume begins empty
    /// Another session with the kernel begins: its requests have numbers that others had before.
    Result<void> begin_session();
    /// Whether a server before this one has carried out the request, and recorded it.
    bool was_done(std::uint64_t request) const { return done_.count(request) != 0; }
    /// This server ends, and the mount doesn't: nothing that it still does is to reach the keeper.
    void let_go();
    /// The mount has been unmounted on purpose: ends the keeper, and removes the folder.
    void end();

private:
    Result<void> make_ticket_secret();
    explicit Survival(RuntimeFolder folder) : folder_(std::move(folder)) {}

    RuntimeFolder folder_;
    Fd socket_;
    std::unique_ptr<KeeperClient> client_;
    std::unique_ptr<Journal> journal_;
    std::set<std::uint64_t> done_; // requests, by the journal; constant from recover() on
    Result<void> make_folder_again();
    void watch_folder();
    static int take_folder_check(void *survival);

    Secret ticket_secret_ = {};
    unsigned watch_ = 0;        // GLib's id of the keeper's source
    unsigned folder_watch_ = 0; // of the folder's
    unsigned folder_check_ = 0; // of the timer until it is looked at
    Fd folder_events_;          // inotify(7)
    std::atomic<bool> is_folder_lost_ = false;
    bool is_recovery_ = false;
    bool is_fresh_ = false;
    bool has_begun_ = false; // the mount was there: from then on only end() ends it
};

} // namespace gmemfs
