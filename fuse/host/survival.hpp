// Survival: what outlives the server: its runtime folder, its keeper and its journal (docs/keeper.md).
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

/// Not thread-safe, but for keeper(), which always returns the same thread-safe object.
class Survival {
public:
    /// Takes the runtime folder. Errors: see RuntimeFolder::take.
    static Result<std::unique_ptr<Survival>> create(const std::string &mount_point);
    /// Where the start failed: ends what it began. What a dead server left stays for the next one.
    ~Survival();
    Survival(const Survival &) = delete;
    Survival &operator=(const Survival &) = delete;

    const std::string &name() const { return folder_.name(); } ///< unique to the mount point

    const RuntimeFolder &folder() const { return folder_; }

    /// Connects to the keeper that a dead server left, or starts one. Called before the driver is opened, because it
    /// forks. EIDRM: `start` is resumed, and there is no keeper that has its memory.
    enum class Start { anew, resumed };
    Result<void> find_keeper(const Options &options, const std::string &library, Start start);
    /// Called after the driver was opened. Errors: what keeps the keeper from working.
    Result<Keeper *> greet_keeper(const Driver &driver);
    /// From here on the main loop notices a keeper that dies, and a folder that somebody removes. The log says what
    /// that means.
    void watch();
    /// Checks that another server could go on where this one ends. Makes the folder again where it was removed. EIDRM:
    /// no server could; the message says why.
    Result<void> check();
    bool is_folder_lost() const { return is_folder_lost_; } ///< and couldn't be made again; thread-safe
    const KeeperClient &keeper() const { return *client_; }
    KeeperClient &keeper() { return *client_; }
    /// What tickets are signed with, by this server and the next ones. Valid after recover().
    const Secret &ticket_secret() const { return ticket_secret_; }

    /// Restores `volume`, which is empty, from the journal of a dead server. From here on the volume's changes are
    /// recorded. Where the keeper of that journal is gone, the journal only tells what was lost. Errors: see
    /// Volume::restore.
    Result<void> recover(Volume &volume, Namespace::KernelMemory memory);
    bool is_recovery() const { return is_recovery_; } ///< find_keeper() found the keeper of a dead server
    bool is_fresh() const { return is_fresh_; }       ///< recover() found nothing, so the volume begins empty
    /// Forgets which requests were done: another session with the kernel begins, whose requests use the same numbers.
    Result<void> begin_session();
    /// Whether a server before this one has carried out the request, and recorded that.
    bool was_done(std::uint64_t request) const { return done_.count(request) != 0; }
    /// For a server that ends while the mount stays: from here on nothing that this server does reaches the keeper.
    void let_go();
    /// Ends the keeper, and removes the folder, after the mount has been unmounted on purpose.
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
