// Processors: a bounded number of threads that pack and unpack the pages of a batch side by side.
#pragma once

#include "ecc/batch/codec.hpp"
#include "vmm/base/lock.hpp"

#include <condition_variable>
#include <cstdint>
#include <deque>
#include <functional>
#include <memory>
#include <thread>
#include <vector>

namespace gmemfs {

/// Thread-safe: batches of several slots share the threads.
class Processors {
public:
    /// `first` and `count` are a part of the range. The codec is that of the thread that runs it.
    using Work = std::function<Result<void>(PageCodec &codec, std::uint64_t first, std::uint64_t count)>;

    /// `helpers` threads, beside those that call run(). ENOMEM, EAGAIN: no more memory, or threads, here.
    static Result<std::unique_ptr<Processors>> create(unsigned helpers);
    ~Processors();
    Processors(const Processors &) = delete;
    Processors &operator=(const Processors &) = delete;

    /// Runs `work` over [0, count), `part` indexes at a time, on this thread (with `own`) and on helpers that are idle.
    /// Returns when all of it has ended, with an error of the lowest index that failed, as far as it was tried: what
    /// hasn't begun is left then.
    Result<void> run(PageCodec &own, std::uint64_t count, std::uint64_t part, const Work &work) EXCLUDES(mutex_);

private:
    struct Job {
        const Work *work;
        std::uint64_t count, part;
        std::uint64_t next = 0;
        unsigned running = 0; // parts
        std::uint64_t failed_at = UINT64_MAX;
        Result<void> result = {};
    };
    Processors() = default;
    void help(PageCodec &codec) EXCLUDES(mutex_);
    void run_part(Job &job, PageCodec &codec) REQUIRES(mutex_);

    Mutex mutex_;
    std::condition_variable_any changed_;       // a job has come, or a part has ended, or the end has come
    std::deque<Job *> jobs_ GUARDED_BY(mutex_); // with parts that nobody has begun; their callers' own
    bool is_over_ GUARDED_BY(mutex_) = false;
    std::vector<PageCodec> codecs_;
    std::vector<std::thread> threads_; // last: they use all of the above
};

} // namespace gmemfs
