// Server: serves a Host's files as a FUSE mount: session, workers, broker, and what its supervisor must know.
#pragma once

#include "fuse/host/front.hpp"
#include "fuse/host/host.hpp"
#include "fuse/mounts/mount_flags.hpp"
#include "fuse/mounts/mount_table.hpp"
#include "fuse/session/open_files.hpp"
#include "fuse/session/session.hpp"
#include "fuse/session/supervisor.hpp"
#include "vmm/base/function_view.hpp"
#include "vmm/base/lock.hpp"

#include <glib.h>

#include <atomic>
#include <chrono>
#include <memory>
#include <optional>
#include <string>
#include <vector>

namespace gmemfs {

class Broker;
class Workers;

/// Thread-safe, but for create(), run() and the destructor, which only the main thread calls.
class Server : public Front, private DeviceWatch {
public:
    /// Makes the Host, and mounts; nothing is served yet. libfuse calls one of `operations` for each request, with the
    /// Server as user data. Each error is one line for the user. Where `supervisor` holds the channel (/dev/fuse) of a
    /// dead server, the new server goes on with that channel, and mounts nothing.
    static Result<std::unique_ptr<Server>> create(
        const Options &options, SupervisorLink *supervisor, const fuse_lowlevel_ops &operations);
    ~Server() override;

    /// Serves until the mount is unmounted, or SIGINT or SIGTERM comes. Then unmounts, and saves what is to be saved;
    /// if saving fails, mounts and serves again. `ready` is called once the kernel has greeted the server; from then on
    /// the mount answers.
    enum class End {
        unmounted, ///< the mount is gone, and so is the memory
        again,     ///< the mount is there, and another server must go on with it at once
        kept,      ///< the mount is gone, which nobody wanted; the keeper has the files for the next server
    };
    End run(FunctionView<void()> ready);
    /// Valid after run(): why the mount has ended, where nobody wanted that.
    const std::optional<Error> &failure() const { return failure_; }

    Host &host() { return *host_; }
    const Host &host() const { return *host_; }
    OpenFiles &opens() { return opens_; }

    /// Whether a server that died before it answered has carried out the request that this worker serves. The kernel
    /// has asked again, and a request that would fail the second time (mkdir, unlink) is only answered.
    bool was_done() const;
    /// The inode of an open that this server or one before made. ESTALE: the open didn't survive.
    Result<Opened> opened(InodeId id, std::uint64_t handle) const;
    const Workers &workers() const { return *workers_; } ///< for workers
    /// Whether the present session is seen by the server's own user alone. In such a session that user reaches
    /// everybody's files.
    bool is_private() const { return audience_ == Audience::this_user; }
    /// Whether a broker is about to listen. Until then nobody should be told that there is no broker.
    bool awaits_broker() const { return host_->options().broker && !has_tried_broker_.load(std::memory_order_acquire); }
    /// Null until the mount has answered, and where the broker couldn't be started. A broker stays until the workers
    /// have ended.
    const Broker *broker() const { return published_broker_.load(std::memory_order_acquire); }

    void greeted(unsigned protocol_minor); ///< called when the kernel's FUSE_INIT has come
    /// Whether the kernel itself checks that a caller may set inode flags. It does since Linux 5.13, but 5.13 and 5.12
    /// both speak protocol 7.33. So this is true from 7.34 on.
    bool kernel_checks_flags() const { return protocol_minor_ >= 34; }
    /// Called when the kernel has forgotten inodes. Wakes wait_for_memory().
    void forgotten();

    void attributes_changed(InodeId id) override;
    void name_changed(InodeId parent, const std::string &name) override;
    /// Unlinked files whose FORGET is on its way still hold memory. Waits until all of these have come (another worker
    /// serves them), or none has come for a tenth of a second; 5 s at the most.
    bool wait_for_memory() override;
    const std::string &filesystem() const override { return filesystem_; } ///< of the present session
    void end() override;

private:
    enum class Audience { everybody, this_user };
    /// What the main loop is to come to.
    enum class Aim {
        serve,
        end,   ///< the mount is to end, or has ended
        again, ///< this server is to end, and another one to go on
    };

    Server(SupervisorLink *supervisor, const fuse_lowlevel_ops &operations);
    /// Whether a dead server began the present session.
    bool resumes() const { return supervisor_ != nullptr && supervisor_->channel(); }
    const Options &options() const { return host_->options(); }
    Volume &volume() const { return host_->volume(); }
    Survival *survival() const { return host_->survival(); } // null with --keeper=off
    Result<void> resume();
    std::string greeted_filesystem() const;
    enum class AtEnd { quit, nothing };
    void start_workers(AtEnd what); ///< what they do when the session ends: make serve() return, or nothing
    void end_session();
    bool is_connected() const;
    bool is_left() const;
    void look_at_flags();
    bool was_aborted() const;
    Result<void> run_privately(FunctionView<std::vector<std::string>(const std::string &place)> command);
    Result<void> restore_all();
    Result<void> save_all();
    Result<void> mount_again();
    void serve();
    void make_way();
    void device_failed(const Device &device, const Error &error) override;
    bool may_heal() const;
    std::string describe_loss(const Device &device) const;
    void link_missed(const Device &source, const Device &target) override;
    Result<void> mount(const std::string &place);
    void start_broker();
    void take_over_broker();
    void publish_broker(Result<std::unique_ptr<Broker>> broker);
    void stop();
    static gboolean take_end(gpointer server);
    static gboolean take_restart(gpointer server);
    static gboolean take_hangup(gpointer server);

    const fuse_lowlevel_ops operations_;
    SupervisorLink *const supervisor_; // null: there is none
    const std::chrono::steady_clock::time_point started_ = std::chrono::steady_clock::now();
    std::unique_ptr<Host> host_;
    OpenFiles opens_; // holds inodes of the volume, so is destroyed before it
    std::unique_ptr<Session> session_;
    std::string filesystem_;           // of the present session; constant while there are workers
    Fd mount_table_;                   // /proc/self/mountinfo
    std::string place_before_;         // the number of the filesystem that the mount point lies on
    std::optional<MountFlags> flags_;  // of the mount, which `mount -o remount` may change; kept when the mount is gone
    Detached detached_;                // at the end of the last session that others saw
    std::unique_ptr<Workers> workers_; // of the present session
    std::optional<Error> failure_;     // of the first worker that had to give up
    GMainLoop *loop_ = nullptr;
    std::atomic<Aim> aim_ = Aim::serve;
    const FunctionView<void()> *ready_ = nullptr; // while run() runs
    std::unique_ptr<Broker> broker_;              // holds inodes, too
    std::atomic<const Broker *> published_broker_ = nullptr;
    std::atomic<bool> has_tried_broker_ = false;
    Mutex forgotten_mutex_;
    Condition forgotten_;
    std::uint64_t forget_count_ GUARDED_BY(forgotten_mutex_) = 0; // of requests
    std::atomic<unsigned> protocol_minor_ = 0;
    std::atomic<bool> is_mounted_ = false;
    bool has_had_session_ = false;            // the kernel of another one knew inodes
    Audience audience_ = Audience::everybody; // of the session; constant while there are workers
};

} // namespace gmemfs
