// Server: a mount, from its start to its end: driver, devices, volume, session, workers.
#pragma once

#include "fuse/broker.hpp"
#include "fuse/core/volume.hpp"
#include "fuse/options.hpp"
#include "fuse/stats.hpp"
#include "fuse/worker.hpp"

#include <glib.h>

#include <atomic>
#include <condition_variable>
#include <functional>
#include <memory>
#include <mutex>
#include <string>
#include <unordered_map>
#include <vector>

namespace gmemfs {

/// One open file or directory; what the kernel gets as its handle.
struct OpenFile {
    InodeRef inode;
};

/// The opens that the kernel hasn't released. Thread-safe. A leaf in the order of locks.
class OpenFiles {
public:
    std::uint64_t add(InodeRef inode) EXCLUDES(mutex_);
    void remove(std::uint64_t handle) EXCLUDES(mutex_);
    /// Of a handle that add() gave, and that wasn't removed: the kernel keeps to that.
    static Inode &inode(std::uint64_t handle);
    void clear() EXCLUDES(mutex_);

private:
    Mutex mutex_;
    std::unordered_map<std::uint64_t, std::unique_ptr<OpenFile>> opens_ GUARDED_BY(mutex_);
};

/// Thread-safe once it runs, but for create(), run() and the destructor, which are the main thread's.
class Server {
public:
    /// Opens the driver and mounts; nothing is served yet. The errors are for the user: one line each.
    static Result<std::unique_ptr<Server>> create(const Options &options);
    ~Server();
    Server(const Server &) = delete;
    Server &operator=(const Server &) = delete;

    /// Serves until the mount is unmounted, or SIGINT, SIGTERM or SIGHUP comes; then unmounts. `ready` is called once
    /// the kernel has greeted the server: from then on the mount answers.
    void run(std::function<void()> ready);

    const Options &options() const { return options_; }
    const Driver &driver() const { return *driver_; }
    const std::vector<std::unique_ptr<Device>> &devices() const { return devices_; }
    Volume &volume() { return *volume_; }
    Stats &stats() { return stats_; }
    OpenFiles &opens() { return opens_; }
    std::size_t worker_count() const { return workers_.size(); }
    /// Null until the mount has answered, and where it couldn't be started; then it stays until the workers have ended.
    const Broker *broker() const { return published_broker_.load(std::memory_order_acquire); }

    void greeted(); ///< the kernel's FUSE_INIT has come
    /// Something that the kernel trusts for a while has changed without a request of its own: it asks again.
    void attributes_changed(InodeId id);
    /// The kernel has forgotten inodes; wakes who waits for their memory.
    void forgotten();
    /// Unlinked files whose forget is on its way still hold memory: waits until it has come (another worker serves it),
    /// until none has come for a tenth of a second, 5 s at the most; false where there was none to wait for.
    bool wait_for_orphans();

private:
    explicit Server(const Options &options) : options_(options) {}
    Result<void> open_devices();
    Result<void> mount();
    void start_broker();
    void stop();

    const Options options_;
    std::unique_ptr<Driver> driver_;
    std::vector<std::unique_ptr<Device>> devices_;
    std::unique_ptr<Keeper> keeper_;
    std::unique_ptr<Volume> volume_;
    OpenFiles opens_; // they hold inodes of the volume: gone before it
    Stats stats_;
    fuse_session *session_ = nullptr;
    Crew crew_;
    std::vector<std::unique_ptr<Worker>> workers_;
    GMainLoop *loop_ = nullptr;
    std::function<void()> ready_;
    std::unique_ptr<Broker> broker_; // it holds inodes, too
    std::atomic<const Broker *> published_broker_ = nullptr;
    std::mutex forgotten_mutex_;
    std::condition_variable forgotten_;
    std::uint64_t forget_count_ = 0; // of requests; under forgotten_mutex_
    bool is_mounted_ = false;
};

} // namespace gmemfs
