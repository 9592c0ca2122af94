// RuntimeFolder: where a mount leaves its lock, its keeper's socket and its journal for the next server.
//
//     /run/gmemfs/gpu-0123456789abcdef/{lock,keeper.sock,journal}
#pragma once

#include "vmm/base/fd.hpp"

#include <optional>
#include <string>
#include <vector>

namespace gmemfs {

/// The folder's own mount point, which nobody else reaches: see make_private_place().
inline constexpr const char *kPrivatePlace = "private";

/// Owner of the right to mount at a place. Of several processes that want to mount there, one begins, and the others
/// then see what it did. Move-only.
class StartLock {
public:
    /// Waits for the lock. Errors: see RuntimeFolder::take.
    static Result<StartLock> take(const std::string &mount_point);
    StartLock(StartLock &&) = default;
    StartLock &operator=(StartLock &&) = delete;
    ~StartLock(); ///< gives it back
    /// In a forked child: leaves the lock to the parent.
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
    /// that is just dying. A server that lives on (its mount was detached lazily) keeps its folder, and this process
    /// gets another one. EACCES and others: the runtime folder can't be made, or others than this user can reach it.
    static Result<RuntimeFolder> take(const std::string &mount_point);

    const std::string &name() const { return name_; } ///< unique to the mount point: letters, digits, '-', '_', '.'
    std::string journal_path() const { return path_ + "/journal"; }
    /// A file that exists as long as files are still to be saved. Holds why saving failed, if it was tried.
    std::string unsaved_path() const { return path_ + "/unsaved"; }
    /// A file that exists while a snapshot is restored. What a server that died meanwhile leaves is then no state of
    /// the mount.
    std::string restoring_path() const { return path_ + "/restoring"; }
    /// Makes the private place, and unmounts what a dead server has mounted there.
    Result<std::string> make_private_place() const;

    /// A socket that is connected to the keeper that a dead server left. ENOENT, ECONNREFUSED: there is no keeper.
    Result<Fd> connect_keeper() const;
    /// Starts a keeper, and returns a socket that is connected to it. `arguments` follow "gmemfs keeper". Called before
    /// the driver is opened.
    Result<Fd> start_keeper(const std::vector<std::string> &arguments) const;
    /// Whether folder and files are still those that this process made or took over.
    bool is_intact() const;
    /// Makes the folder again, without the journal, where somebody has removed it. Returns the new socket for the
    /// keeper to listen on. Errors: see take(). EBUSY: another server has taken the folder's place.
    Result<Fd> make_again();
    const std::string &path() const { return path_; }
    /// Removes the folder after the mount has ended on purpose. What somebody else has made in its place stays.
    void remove() const;

private:
    RuntimeFolder(std::string path, std::string name, Fd folder, Fd lock)
        : path_(std::move(path)), name_(std::move(name)), folder_(std::move(folder)), lock_(std::move(lock)) {}
    Result<Fd> make_keeper_socket() const;
    static Result<std::optional<RuntimeFolder>> try_to_take(const std::string &base, const std::string &name);

    std::string path_, name_;
    Fd folder_; // sockets are reached through it, so that a path of any length fits
    Fd lock_;
};

/// Whether to wait for a server that is alive, and has the lock, because it may be dying.
enum class Owner { is_waited_for, is_not };
/// Whether a dead server of `mount_point` left a keeper.
bool has_abandoned_keeper(const std::string &mount_point, Owner owner);
/// A living server that has files to save.
struct SavingServer {
    int pid = 0;
    std::string unsaved; ///< see unsaved_path()
};
/// The one of `mount_point`; nothing where there is none.
std::optional<SavingServer> find_saving_server(const std::string &mount_point);
/// Writes a file of the runtime folder, for this user alone.
Result<void> write_private(const std::string &path, const std::string &text);
/// A file's text, empty where it can't be read.
std::string read_text(const std::string &path);
/// Ends the keepers that dead servers of `mount_point` left, and removes their folders. Returns how many there were.
unsigned end_abandoned_keepers(const std::string &mount_point);

} // namespace gmemfs
