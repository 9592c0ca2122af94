// NixlCopiers: threads that copy between slots and files, while the helper's own thread has NIXL move other slots.
//
// Copies on a GPU would need no threads; a host file's reads and writes do, and the simulator's copies take as long as
// the call that queues them.
#pragma once

#include "tools/nixl/file.hpp"
#include "vmm/base/lock.hpp"

#include <deque>
#include <optional>
#include <thread>

namespace gmemfs {

/// Owner of the threads. Thread-safe.
class NixlCopiers {
public:
    struct Job {
        std::uint32_t file_number = 0; ///< the asker's own
        const NixlFile *file = nullptr;
        NixlFile::Access access = NixlFile::Access::read; ///< read: from the file into `bytes`
        std::uint32_t slot = 0;                           ///< the asker's own
        std::uint64_t offset = 0;
        std::span<std::byte> bytes;
    };
    struct Done {
        Job job;
        std::optional<Error> error;
    };

    explicit NixlCopiers(unsigned threads);
    NixlCopiers(const NixlCopiers &) = delete;
    NixlCopiers &operator=(const NixlCopiers &) = delete;
    ~NixlCopiers(); ///< ends what is under way

    void queue(const Job &job) EXCLUDES(mutex_);
    /// One that is done, in any order.
    std::optional<Done> take() EXCLUDES(mutex_);
    /// Returns when nothing is queued or under way: then a file may be closed. What is done stays to be taken.
    void drain() EXCLUDES(mutex_);
    int ready_fd() const { return ready_.get(); } ///< readable when something is done; take() empties it

private:
    void run() EXCLUDES(mutex_);

    const Fd ready_;
    Mutex mutex_;
    Condition wanted_, idle_;
    std::deque<Job> queued_ GUARDED_BY(mutex_);
    std::deque<Done> done_ GUARDED_BY(mutex_);
    std::size_t under_way_ GUARDED_BY(mutex_) = 0;
    bool is_over_ GUARDED_BY(mutex_) = false;
    std::vector<std::thread> threads_;
};

} // namespace gmemfs
