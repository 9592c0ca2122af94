// Server: a mount, from its start to its end: driver, devices, volume, session, workers.
#pragma once

#include "fuse/broker.hpp"
#include "fuse/core/volume.hpp"
#include "fuse/mount_flags.hpp"
#include "fuse/mount_table.hpp"
#include "fuse/open_files.hpp"
#include "fuse/options.hpp"
#include "fuse/scrub_walk.hpp"
#include "fuse/session.hpp"
#include "fuse/stats.hpp"
#include "fuse/supervisor.hpp"
#include "fuse/survival.hpp"
#include "fuse/workers.hpp"
#include "vmm/local_keeper.hpp"

#include <glib.h>

#include <atomic>
#include <condition_variable>
#include <functional>
#include <memory>
#include <mutex>
#include <optional>
#include <span>
#include <string>
#include <vector>

namespace gmemfs {

/// Thread-safe once it runs, but for create(), run() and the destructor, which are the main thread's.
class Server {
public:
    /// Opens the driver and mounts; nothing is served yet. The errors are for the user: one line each.
    /// With a supervisor that holds the FUSE device of a dead server it goes on with that, and mounts nothing.
    static Result<std::unique_ptr<Server>> create(const Options &options, SupervisorLink *supervisor);
    ~Server();
    Server(const Server &) = delete;
    Server &operator=(const Server &) = delete;

    /// Serves until the mount is unmounted, or SIGINT or SIGTERM comes; then unmounts, and saves what is to be
    /// saved; if that fails it mounts and serves again. `ready` is called once the kernel has greeted the server: from
    /// then on the mount answers.
    enum class End {
        unmounted, ///< the mount is gone, and so is the memory
        again,     ///< the mount is there: another server is to go on with it, at once
        kept,      ///< the mount is gone, and nobody wanted that: the keeper has the files, for the next server
    };
    End run(std::function<void()> ready);
    /// After run(): why the mount has ended, where nobody wanted it.
    const std::optional<Error> &failure() const { return failure_; }

    /// Whether the request that this worker serves was carried out by a server that died before it answered: the kernel
    /// asks again, and what would fail the second time (mkdir, unlink) is only to be answered.
    bool was_done() const;
    /// The inode of an open, of this server or one before. ESTALE: it didn't survive.
    Result<Opened> opened(InodeId id, std::uint64_t handle) const;
    const Options &options() const { return options_; }
    /// The number of the present session's filesystem, by which fuse/mount_table.hpp finds its mounts.
    const std::string &filesystem() const { return filesystem_; }
    const Driver &driver() const { return *driver_; }
    const std::vector<std::unique_ptr<Device>> &devices() const { return devices_; }
    Volume &volume() { return *volume_; }
    Stats &stats() { return stats_; }
    OpenFiles &opens() { return opens_; }
    /// The generation of an inode's number, which the kernel puts into file handles beside the number: another one in
    /// each mount that begins empty, where numbers begin anew; the root's is 0, as Linux wants it.
    std::uint64_t generation_of(InodeId id) const { return id == kRootInode ? 0 : generation_; }
    /// Whether the files are saved when the mount ends. `user.gmemfs.on_shutdown` changes it, in a mount that has a
    /// file for them.
    bool saves() const { return saves_; }
    bool is_private() const { return is_private_; } ///< of the present session: nobody else sees it
    Result<void> set_saves(bool saves);
    const Survival *survival() const { return survival_.get(); }      ///< null with --keeper=off
    Survival *survival() { return survival_.get(); }                  ///< for the main thread
    const ScrubWalk *scrub_walk() const { return scrub_walk_.get(); } ///< for workers; null with --scrub-rate=0
    const Workers &workers() const { return *workers_; }              ///< for workers
    /// For the main thread: the mount is to end, as by SIGTERM.
    void end();
    /// Whether a broker is about to listen: nobody needs to be told yet that there is none.
    bool awaits_broker() const { return options_.broker && !has_tried_broker_.load(std::memory_order_acquire); }
    /// Null until the mount has answered, and where it couldn't be started; then it stays until the workers have ended.
    const Broker *broker() const { return published_broker_.load(std::memory_order_acquire); }

    void greeted(unsigned protocol_minor); ///< the kernel's FUSE_INIT has come
    /// Whether the kernel checks by itself who sets inode flags: since Linux 5.13, whose protocol is 5.12's, too, 7.33.
    bool kernel_checks_flags() const { return protocol_minor_ >= 34; }
    /// Something that the kernel trusts for a while has changed without a request of its own: it asks again.
    void attributes_changed(InodeId id);
    /// The kernel has forgotten inodes; wakes who waits for their memory.
    void forgotten();
    /// Unlinked files whose forget is on its way still hold memory: waits until it has come (another worker serves it),
    /// until none has come for a tenth of a second, 5 s at the most; false where there was none to wait for.
    bool wait_for_orphans();

private:
    Server(const Options &options, SupervisorLink *supervisor)
        : options_(options), supervisor_(supervisor), opens_(supervisor == nullptr ? 0 : supervisor->generation()),
          saves_(!options.save_file.empty()) {}
    /// Of the present session: it is one that a dead server began.
    bool resumes() const { return supervisor_ != nullptr && supervisor_->device(); }
    Result<void> resume();
    std::string greeted_filesystem() const;
    void start_workers(const std::function<void()> &ended);
    void end_session();
    bool is_connected() const;
    bool is_left() const;
    void look_at_flags();
    bool was_aborted() const;
    Result<void> run_privately(const std::function<std::vector<std::string>(const std::string &place)> &command);
    Result<void> restore_all();
    Result<void> save_all();
    Result<void> mount_again();
    void serve();
    static gboolean take_end(gpointer server);
    Result<void> open_driver();
    Result<void> open_devices();
    void device_failed(const Device &device, const Error &error) const;
    Result<void> mount(const std::string &place);
    void start_broker();
    void take_over_broker();
    void publish_broker(Result<std::unique_ptr<Broker>> broker);
    void stop();
    static gboolean take_restart(gpointer server);
    static gboolean take_hangup(gpointer server);

    const Options options_;
    SupervisorLink *const supervisor_; // null: there is none
    std::unique_ptr<Driver> driver_;
    std::unique_ptr<Survival> survival_; // null with --keeper=off: then the memory is this process's
    std::unique_ptr<LocalKeeper> local_keeper_;
    Keeper *keeper_ = nullptr; // one of the two
    std::vector<std::unique_ptr<Device>> devices_;
    std::unique_ptr<Volume> volume_;
    std::uint32_t generation_ = 0;
    OpenFiles opens_; // they hold inodes of the volume: gone before it
    Stats stats_;
    std::unique_ptr<Session> session_;
    std::string filesystem_;          // of the present session; constant while there are workers
    Fd mount_table_;                  // /proc/self/mountinfo
    std::string place_before_;        // the number of the filesystem that the mount point lies on
    std::optional<MountFlags> flags_; // of the mount, as `mount -o remount` may have changed them; kept when it is gone
    Detached detached_;               // at the end of the last session that others saw
    std::unique_ptr<Workers> workers_; // of the present session
    std::optional<Error> failure_;     // of the first worker that had to give up
    GMainLoop *loop_ = nullptr;
    bool ends_ = false;       // the mount is to end, or has ended
    bool goes_again_ = false; // SIGUSR2 came: end, and let another server go on
    std::function<void()> ready_;
    std::unique_ptr<ScrubWalk> scrub_walk_; // there while workers are
    std::unique_ptr<Broker> broker_;        // it holds inodes, too
    std::atomic<const Broker *> published_broker_ = nullptr;
    std::atomic<bool> has_tried_broker_ = false;
    std::mutex forgotten_mutex_;
    std::condition_variable forgotten_;
    std::uint64_t forget_count_ = 0; // of requests; under forgotten_mutex_
    std::atomic<unsigned> protocol_minor_ = 0;
    std::atomic<bool> is_mounted_ = false;
    bool has_had_session_ = false; // the kernel of another one knew inodes
    bool is_private_ = false;      // the session is one that nobody else sees; constant while there are workers
    std::atomic<bool> saves_;
};

} // namespace gmemfs
