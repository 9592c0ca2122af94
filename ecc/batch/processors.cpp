#include "ecc/batch/processors.hpp"

#include <algorithm>
#include <system_error>
#include <utility>

namespace gmemfs {

Result<std::unique_ptr<Processors>> Processors::create(unsigned helpers) {
    std::unique_ptr<Processors> processors(new Processors);
    processors->codecs_.reserve(helpers); // they stay where they are
    for (unsigned helper = 0; helper < helpers; ++helper) {
        PageCodec codec = TRY(PageCodec::create());
        processors->codecs_.push_back(std::move(codec));
        PageCodec &own = processors->codecs_.back();
        try {
            processors->threads_.emplace_back([all = processors.get(), &own] { all->help(own); });
        } catch (const std::system_error &error) {
            return Error{EAGAIN, 0, "start thread", error.what()};
        }
    }
    return processors;
}

Processors::~Processors() {
    {
        const Hold hold(mutex_);
        GMEMFS_ASSERT(jobs_.empty()); // run() waits for its own
        is_over_ = true;
    }
    changed_.notify_all();
    for (std::thread &thread : threads_) thread.join();
}

Result<void> Processors::run(PageCodec &own, std::uint64_t count, std::uint64_t part, const Work &work) {
    GMEMFS_ASSERT(part > 0);
    if (count == 0) return {};
    if (count <= part) return work(own, 0, count); // to wake another thread takes longer than what it would do
    Job job = {&work, count, part};
    const Hold hold(mutex_);
    jobs_.push_back(&job);
    changed_.notify_all();
    while (job.next < job.count) run_part(job, own);
    while (job.running > 0) changed_.wait(mutex_);
    return std::move(job.result);
}

void Processors::help(PageCodec &codec) {
    const Hold hold(mutex_);
    while (!is_over_) {
        if (jobs_.empty())
            changed_.wait(mutex_);
        else
            run_part(*jobs_.front(), codec);
    }
}

void Processors::run_part(Job &job, PageCodec &codec) {
    const std::uint64_t first = job.next, count = std::min(job.part, job.count - first);
    job.next += count;
    if (job.next == job.count) std::erase(jobs_, &job);
    ++job.running;
    mutex_.unlock();
    Result<void> done = (*job.work)(codec, first, count);
    mutex_.lock();
    --job.running;
    if (!done && first < job.failed_at) {
        job.failed_at = first;
        job.result = std::move(done);
        job.next = job.count;
        std::erase(jobs_, &job);
    }
    if (job.running == 0 && job.next == job.count) changed_.notify_all();
}

} // namespace gmemfs
