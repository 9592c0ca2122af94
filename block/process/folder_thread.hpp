// Folder thread: makes and removes a thin disk's parts for a supervisor, which never waits for the mount's server.
#pragma once

#include "block/disk/thin_folder.hpp"
#include "vmm/base/lock.hpp"

#include <deque>
#include <optional>
#include <thread>

namespace gmemfs::block {

/// Owner of the thread. Thread-safe. The destructor waits for what is being done: a server that hangs is waited for.
class FolderThread {
public:
    /// What became of an order.
    struct Done {
        Parts::Order order;
        client::Attached part;      ///< of Kind::make
        std::optional<Error> error; ///< none: it is done
    };
    /// EAGAIN: no thread can be made. Signals that the caller has blocked stay blocked in the thread.
    static Result<std::unique_ptr<FolderThread>> start(ThinFolder folder);
    ~FolderThread();
    FolderThread(const FolderThread &) = delete;
    FolderThread &operator=(const FolderThread &) = delete;

    /// They are done in their order.
    void push(Parts::Order order) EXCLUDES(mutex_);
    int ready() const { return ready_.get(); } ///< can be read when next_done() has something
    std::optional<Done> next_done() EXCLUDES(mutex_);

private:
    FolderThread(ThinFolder folder, Fd ready) : ready_(std::move(ready)), folder_(std::move(folder)) {}
    void run() EXCLUDES(mutex_);
    std::optional<Parts::Order> next_order() EXCLUDES(mutex_);

    const Fd ready_;    // an eventfd
    ThinFolder folder_; // the thread's
    Mutex mutex_;
    Condition changed_;
    std::deque<Parts::Order> orders_ GUARDED_BY(mutex_);
    std::deque<Done> done_ GUARDED_BY(mutex_);
    bool is_over_ GUARDED_BY(mutex_) = false;
    std::thread thread_; // last, so that all else is there
};

} // namespace gmemfs::block
