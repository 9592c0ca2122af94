#include "vmm/sim/streams.hpp"

#include "vmm/sim/capture.hpp"

#include <map>
#include <mutex>
#include <utility>
#include <vector>

namespace gmemfs::sim {
namespace {

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

std::shared_ptr<Stream> find_stream(CUstream handle) {
    Registry &all = registry();
    const std::lock_guard<std::mutex> hold(all.mutex);
    const auto number = reinterpret_cast<std::uintptr_t>(handle);
    if (number <=
        2) { // null, CU_STREAM_LEGACY, CU_STREAM_PER_THREAD: one stream here, which waits for more than it must
        std::shared_ptr<Stream> &stream = all.legacy[current_context()];
        if (!stream) stream = Stream::start(current_context(), Stream::Kind::legacy);
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
    const bool is_blocking = (flags & CU_STREAM_NON_BLOCKING) == 0;
    const auto kind = is_blocking ? Stream::Kind::blocking : Stream::Kind::non_blocking;
    all.streams[number] = Stream::start(current_context(), kind);
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

struct Awaited {
    std::shared_ptr<Stream> stream;
    std::uint64_t number;
};

// What is queued now and must be done before work that is queued next. It was queued earlier, so nobody waits in a
// circle.
std::vector<Awaited> awaited_by(const Stream &stream) {
    std::vector<Awaited> all;
    if (stream.kind() == Stream::Kind::non_blocking) return all;
    const auto add = [&](const std::shared_ptr<Stream> &other) {
        if (!other->is_idle()) all.push_back({other, other->queued_count()});
    };
    const std::lock_guard<std::mutex> hold(registry().mutex);
    if (stream.kind() == Stream::Kind::blocking) {
        const auto legacy = registry().legacy.find(stream.context());
        if (legacy != registry().legacy.end()) add(legacy->second);
        return all;
    }
    for (const auto &[number, other] : registry().streams)
        if (other->context() == stream.context() && other->kind() == Stream::Kind::blocking) add(other);
    return all;
}

} // namespace

std::uint64_t submit(Stream &stream, Stream::Work work) {
    if (is_capturing(stream)) return stream.queued_count(); // recorded, not run
    std::vector<Awaited> awaited = awaited_by(stream);
    if (awaited.empty()) return stream.queue(std::move(work));
    return stream.queue([awaited = std::move(awaited), work = std::move(work)]() -> CUresult {
        for (const Awaited &one : awaited) one.stream->wait(one.number);
        return work();
    });
}

void synchronize(Stream &stream) {
    if (stream.kind() != Stream::Kind::legacy) return stream.wait_all();
    stream.wait(submit(stream, []() -> CUresult { return CUDA_SUCCESS; }));
}

void wait_for_all_streams(const Context *context) {
    std::vector<std::shared_ptr<Stream>> streams;
    {
        const std::lock_guard<std::mutex> hold(registry().mutex);
        for (const auto &[number, stream] : registry().streams)
            if (context == nullptr || stream->context() == context) streams.push_back(stream);
        for (const auto &[its_context, stream] : registry().legacy)
            if (context == nullptr || its_context == context) streams.push_back(stream);
    }
    for (const auto &stream : streams) stream->wait_all();
}

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

std::size_t stream_count() {
    const std::lock_guard<std::mutex> hold(registry().mutex);
    return registry().streams.size();
}

std::size_t event_count() {
    const std::lock_guard<std::mutex> hold(registry().mutex);
    return registry().events.size();
}

} // namespace gmemfs::sim
