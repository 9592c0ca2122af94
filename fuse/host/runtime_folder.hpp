// RuntimeFolder: what a mount leaves for the next server of the same mount point: a lock, the keeper's socket, the
// journal.
//
//     /run/gmemfs/gpu-0123456789abcdef/{lock,keeper.sock,journal}
#pragma once

#include "vmm/base/fd.hpp"

#include <optional>
#include <string>
#include <vector>

namespace gmemfs {

/// The folder in it to mount in where nobody else comes.
inline constexpr const char *kPrivatePlace = "private";

/// Owner of the right to mount at a place: of several who want to, one begins, and the others see what it did.
/// Move-only.
class StartLock {
public:
    /// Waits for it. Errors: see RuntimeFolder::take.
    static Result<StartLock> take(const std::string &mount_point);
    StartLock(StartLock &&) = default;
    StartLock &operator=(StartLock &&) = delete;
    ~StartLock(); ///< gives it back
    /// In a process that was forked: it is the other one's.
    void leave() { lock_.reset(); }

private:
    StartLock(std::string path, Fd lock) : path_(std::move(path)), lock_(std::move(lock)) {}

    std::string path_;
    Fd lock_;
};

/// Owner of the lock, which says that this process is the mount's server. Move-only. Not thread-safe.
class RuntimeFolder {
public:
    /// Makes the folder of `mount_point`, an absolute path, or takes over what a dead server left. Waits for a server
    /// that is just dying; one that lives on (its mount was detached lazily) keeps its folder, and this is another one.
    /// EACCES and others: the runtime folder can't be made, or isn't this user's alone.
    static Result<RuntimeFolder> take(const std::string &mount_point);

    const std::string &name() const { return name_; } ///< unique to the mount point: letters, digits, '-', '_', '.'
    std::string journal_path() const { return path_ + "/journal"; }
    /// There as long as files are to be saved and aren't. Holds why they could not be, if that was tried.
    std::string unsaved_path() const { return path_ + "/unsaved"; }
    /// There while a snapshot is restored: what a server leaves that died meanwhile is no state of the mount's.
    std::string restoring_path() const { return path_ + "/restoring"; }
    /// Makes the private place. What a server that died has mounted there is unmounted.
    Result<std::string> make_private_place() const;

    /// Connected to the keeper that a dead server left. ENOENT, ECONNREFUSED: there is none.
    Result<Fd> connect_keeper() const;
    /// Starts a keeper and connects to it. `arguments` follow "gmemfs keeper". Before the driver is opened.
    Result<Fd> start_keeper(const std::vector<std::string> &arguments) const;
    /// Whether all of it is there as this process knows it.
    bool is_intact() const;
    /// Makes it again where somebody has removed it: all but the journal. The new socket for the keeper to listen on.
    /// Errors: see take(); EBUSY: another server has taken its place.
    Result<Fd> make_again();
    const std::string &path() const { return path_; }
    /// The mount has ended on purpose: nothing is left for anybody. What somebody else has made in its place stays.
    void remove() const;

private:
    RuntimeFolder(std::string path, std::string name, Fd folder, Fd lock)
        : path_(std::move(path)), name_(std::move(name)), folder_(std::move(folder)), lock_(std::move(lock)) {}
    Result<Fd> make_keeper_socket() const;
    static Result<std::optional<RuntimeFolder>> try_to_take(const std::string &base, const std::string &name);

    std::string path_, name_;
    Fd folder_; // sockets are reached through it: a path of any length fits
    Fd lock_;
};

/// Whether a server that is alive, and has the lock, is worth waiting for: it may be dying.
enum class Owner { is_waited_for, is_not };
/// Whether a dead server of `mount_point` left a keeper, with everything in it.
bool has_abandoned_keeper(const std::string &mount_point, Owner owner);
/// A server of `mount_point` that lives, and has files to save.
struct SavingServer {
    int pid = 0;
    std::string unsaved; ///< see unsaved_path()
};
std::optional<SavingServer> find_saving_server(const std::string &mount_point);
/// Writes a file of the runtime folder, for this user alone.
Result<void> write_private(const std::string &path, const std::string &text);
/// A file's text, empty where it can't be read.
std::string read_text(const std::string &path);
/// Ends the keepers that dead servers of `mount_point` left, and removes their folders. How many there were.
unsigned end_abandoned_keepers(const std::string &mount_point);

} // namespace gmemfs
