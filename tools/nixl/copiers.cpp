#include "tools/nixl/copiers.hpp"

#include <cstdint>
#include <sys/eventfd.h>
#include <unistd.h>
#include <utility>

namespace gmemfs {

NixlCopiers::NixlCopiers(unsigned threads) : ready_(::eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK)) {
    for (unsigned index = 0; index < threads; ++index) threads_.emplace_back([this] { run(); });
}

NixlCopiers::~NixlCopiers() {
    {
        const Hold hold(mutex_);
        queued_.clear();
        is_over_ = true;
    }
    wanted_.notify_all();
    for (std::thread &thread : threads_) thread.join();
}

void NixlCopiers::queue(const Job &job) {
    {
        const Hold hold(mutex_);
        queued_.push_back(job);
    }
    wanted_.notify_one();
}

std::optional<NixlCopiers::Done> NixlCopiers::take() {
    const Hold hold(mutex_);
    if (done_.empty()) {
        std::uint64_t count = 0;
        (void)::read(ready_.get(), &count, sizeof count);
        return {};
    }
    Done done = std::move(done_.front());
    done_.pop_front();
    return done;
}

void NixlCopiers::drain() {
    const Hold hold(mutex_);
    while (!queued_.empty() || under_way_ > 0) idle_.wait(mutex_);
}

void NixlCopiers::run() {
    NixlStreams streams;
    for (;;) {
        Job job;
        {
            const Hold hold(mutex_);
            while (queued_.empty() && !is_over_) wanted_.wait(mutex_);
            if (queued_.empty()) return;
            job = queued_.front();
            queued_.pop_front();
            ++under_way_;
        }
        const bool is_read = job.access == NixlFile::Access::read;
        const Result<void> copied =
            is_read ? job.file->read(streams, job.offset, job.bytes) : job.file->write(streams, job.offset, job.bytes);
        {
            const Hold hold(mutex_);
            --under_way_;
            done_.push_back({job, copied ? std::nullopt : std::optional<Error>(copied.error())});
            const std::uint64_t one = 1;
            (void)::write(ready_.get(), &one, sizeof one);
        }
        idle_.notify_all();
    }
}

} // namespace gmemfs
