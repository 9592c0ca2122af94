#include "vmm/sim/stream.hpp"

#include <chrono>
#include <map>
#include <thread>
#include <vector>

namespace gmemfs::sim {
namespace {

constexpr std::chrono::microseconds kIdleBeforeStart(200);

struct Registry {
    std::mutex mutex;
    std::map<std::uintptr_t, std::shared_ptr<Stream>> streams;
    std::map<Context *, std::shared_ptr<Stream>> legacy;
    std::map<std::uintptr_t, std::shared_ptr<Event>> events;
    std::uintptr_t next = 0x100; // 0, 1 and 2 are the driver's own names of default streams
};

Registry &registry() {
    static auto *const only = new Registry; // never destroyed: threads outlive main
    return *only;
}

} // namespace

std::shared_ptr<Stream> Stream::start(Context *context, bool is_blocking) {
    std::shared_ptr<Stream> stream(new Stream(context, is_blocking));
    std::thread([stream] { stream->run(); }).detach();
    return stream;
}

void Stream::run() {
    std::unique_lock<std::mutex> lock(mutex_);
    while (true) {
        queued_.wait(lock, [this] { return !works_.empty() || is_ending_; });
        if (works_.empty()) return;
        queued_.wait_for(lock, kIdleBeforeStart, [this] { return is_urgent_ || is_ending_; });
        while (!works_.empty()) {
            const Work work = std::move(works_.front());
            works_.pop_front();
            lock.unlock();
            const int failed = context_->failed.load();
            const CUresult result = failed != CUDA_SUCCESS ? CUDA_SUCCESS : work(); // a lost context does nothing more
            if (result != CUDA_SUCCESS) context_->failed.store(result);
            lock.lock();
            ++done_count_;
            done_.notify_all();
        }
        is_urgent_ = false;
    }
}

std::uint64_t Stream::queue(Work work) {
    const std::lock_guard<std::mutex> hold(mutex_);
    works_.push_back(std::move(work));
    queued_.notify_one();
    return ++queued_count_;
}

void Stream::hurry() {
    const std::lock_guard<std::mutex> hold(mutex_);
    is_urgent_ = !works_.empty();
    queued_.notify_one();
}

void Stream::wait(std::uint64_t number) {
    std::unique_lock<std::mutex> lock(mutex_);
    if (!works_.empty()) {
        is_urgent_ = true;
        queued_.notify_one();
    }
    done_.wait(lock, [&] { return done_count_ >= number; });
}

void Stream::wait_all() {
    std::uint64_t number = 0;
    {
        const std::lock_guard<std::mutex> hold(mutex_);
        number = queued_count_;
    }
    wait(number);
}

bool Stream::is_idle() {
    const std::lock_guard<std::mutex> hold(mutex_);
    return done_count_ == queued_count_;
}

bool Stream::is_done(std::uint64_t number) {
    const std::lock_guard<std::mutex> hold(mutex_);
    return done_count_ >= number;
}

void Stream::end() {
    const std::lock_guard<std::mutex> hold(mutex_);
    is_ending_ = true;
    queued_.notify_one();
}

std::shared_ptr<Stream> find_stream(CUstream handle) {
    Registry &all = registry();
    const std::lock_guard<std::mutex> hold(all.mutex);
    const auto number = reinterpret_cast<std::uintptr_t>(handle);
    if (number <=
        2) { // null, CU_STREAM_LEGACY, CU_STREAM_PER_THREAD: one stream here, which waits for more than it must
        std::shared_ptr<Stream> &stream = all.legacy[current_context()];
        if (!stream) stream = Stream::start(current_context(), true);
        return stream;
    }
    const auto found = all.streams.find(number);
    return found == all.streams.end() ? nullptr : found->second;
}

CUresult create_stream(CUstream *handle, unsigned flags) {
    if ((flags & ~unsigned(CU_STREAM_NON_BLOCKING)) != 0) return CUDA_ERROR_INVALID_VALUE;
    Registry &all = registry();
    const std::lock_guard<std::mutex> hold(all.mutex);
    const std::uintptr_t number = all.next++;
    all.streams[number] = Stream::start(current_context(), (flags & CU_STREAM_NON_BLOCKING) == 0);
    *handle = reinterpret_cast<CUstream>(number); // NOLINT(performance-no-int-to-ptr): a handle, never followed
    return CUDA_SUCCESS;
}

CUresult destroy_stream(CUstream handle) {
    Registry &all = registry();
    const std::lock_guard<std::mutex> hold(all.mutex);
    const auto found = all.streams.find(reinterpret_cast<std::uintptr_t>(handle));
    if (found == all.streams.end()) return CUDA_ERROR_INVALID_HANDLE;
    found->second->end();
    all.streams.erase(found);
    return CUDA_SUCCESS;
}

namespace {

void wait_for(Context *context, bool blocking_only) {
    std::vector<std::shared_ptr<Stream>> streams;
    {
        Registry &all = registry();
        const std::lock_guard<std::mutex> hold(all.mutex);
        for (const auto &[number, stream] : all.streams)
            if (stream->context() == context && (!blocking_only || stream->is_blocking())) streams.push_back(stream);
        const auto legacy = all.legacy.find(context);
        if (legacy != all.legacy.end()) streams.push_back(legacy->second);
    }
    for (const auto &stream : streams) stream->wait_all();
}

} // namespace

void wait_for_blocking_streams(Context *context) { wait_for(context, true); }
void wait_for_all_streams(Context *context) { wait_for(context, false); }

std::shared_ptr<Event> find_event(CUevent handle) {
    Registry &all = registry();
    const std::lock_guard<std::mutex> hold(all.mutex);
    const auto found = all.events.find(reinterpret_cast<std::uintptr_t>(handle));
    return found == all.events.end() ? nullptr : found->second;
}

CUresult create_event(CUevent *handle) {
    Registry &all = registry();
    const std::lock_guard<std::mutex> hold(all.mutex);
    const std::uintptr_t number = all.next++;
    all.events[number] = std::make_shared<Event>();
    *handle = reinterpret_cast<CUevent>(number); // NOLINT(performance-no-int-to-ptr): a handle, never followed
    return CUDA_SUCCESS;
}

CUresult destroy_event(CUevent handle) {
    Registry &all = registry();
    const std::lock_guard<std::mutex> hold(all.mutex);
    return all.events.erase(reinterpret_cast<std::uintptr_t>(handle)) != 0 ? CUDA_SUCCESS : CUDA_ERROR_INVALID_HANDLE;
}

} // namespace gmemfs::sim
