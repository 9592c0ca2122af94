#include "vmm/sim/capture.hpp"

#include <atomic>
#include <map>
#include <thread>
#include <utility>

namespace gmemfs::sim {
namespace {

struct Capture {
    std::shared_ptr<Stream> stream;
    CUstreamCaptureMode mode;
    std::thread::id thread;
    bool is_lost;
};

struct Captures {
    std::mutex mutex;
    std::map<const Stream *, Capture> all;
    std::atomic<std::size_t> count = 0; // of them: most streams ask in vain, at each piece of work
    std::uintptr_t next_graph = 0x100;
    std::map<std::uintptr_t, bool> graphs;
};

Captures &captures() {
    static auto *const only = new Captures; // never destroyed: threads outlive main
    return *only;
}

thread_local CUstreamCaptureMode thread_mode = CU_STREAM_CAPTURE_MODE_GLOBAL;

} // namespace

CUresult begin_capture(const std::shared_ptr<Stream> &stream, CUstreamCaptureMode mode) {
    if (!stream) return CUDA_ERROR_INVALID_HANDLE;
    if (stream->kind() == Stream::Kind::legacy) return CUDA_ERROR_STREAM_CAPTURE_UNSUPPORTED;
    const std::lock_guard<std::mutex> hold(captures().mutex);
    const bool is_new =
        captures().all.try_emplace(stream.get(), Capture{stream, mode, std::this_thread::get_id(), false}).second;
    captures().count = captures().all.size();
    return is_new ? CUDA_SUCCESS : CUDA_ERROR_ILLEGAL_STATE;
}

CUresult end_capture(const std::shared_ptr<Stream> &stream, CUgraph *graph) {
    if (!stream) return CUDA_ERROR_INVALID_HANDLE;
    const std::lock_guard<std::mutex> hold(captures().mutex);
    const auto found = captures().all.find(stream.get());
    if (found == captures().all.end()) return CUDA_ERROR_ILLEGAL_STATE;
    const bool is_others = found->second.thread != std::this_thread::get_id();
    if (is_others && found->second.mode != CU_STREAM_CAPTURE_MODE_RELAXED)
        return CUDA_ERROR_STREAM_CAPTURE_WRONG_THREAD;
    const bool is_lost = found->second.is_lost;
    captures().all.erase(found);
    captures().count = captures().all.size();
    *graph = nullptr;
    if (is_lost) return CUDA_ERROR_STREAM_CAPTURE_INVALIDATED;
    captures().graphs[captures().next_graph] = true;
    *graph = reinterpret_cast<CUgraph>(captures().next_graph++); // NOLINT(performance-no-int-to-ptr): never followed
    return CUDA_SUCCESS;
}

CUresult capture_status(const std::shared_ptr<Stream> &stream, CUstreamCaptureStatus *status) {
    if (!stream) return CUDA_ERROR_INVALID_HANDLE;
    const std::lock_guard<std::mutex> hold(captures().mutex);
    const auto found = captures().all.find(stream.get());
    *status = found == captures().all.end() ? CU_STREAM_CAPTURE_STATUS_NONE
              : found->second.is_lost       ? CU_STREAM_CAPTURE_STATUS_INVALIDATED
                                            : CU_STREAM_CAPTURE_STATUS_ACTIVE;
    return CUDA_SUCCESS;
}

CUresult destroy_graph(CUgraph graph) {
    const std::lock_guard<std::mutex> hold(captures().mutex);
    const bool was_there = captures().graphs.erase(reinterpret_cast<std::uintptr_t>(graph)) != 0;
    return was_there ? CUDA_SUCCESS : CUDA_ERROR_INVALID_VALUE;
}

CUresult exchange_capture_mode(CUstreamCaptureMode *mode) {
    if (*mode > CU_STREAM_CAPTURE_MODE_RELAXED) return CUDA_ERROR_INVALID_VALUE;
    std::swap(*mode, thread_mode);
    return CUDA_SUCCESS;
}

bool is_capturing(const Stream &stream) {
    if (captures().count == 0) return false;
    const std::lock_guard<std::mutex> hold(captures().mutex);
    return captures().all.contains(&stream);
}

CUresult conflict_with_captures(const Context *context, const Stream *only) {
    const std::lock_guard<std::mutex> hold(captures().mutex);
    CUresult result = CUDA_SUCCESS;
    for (auto &[stream, capture] : captures().all) {
        if (stream->context() != context || (only != nullptr && only != stream)) continue;
        capture.is_lost = true;
        result = CUDA_ERROR_STREAM_CAPTURE_UNSUPPORTED;
    }
    return result;
}

CUresult endanger_captures() {
    if (thread_mode == CU_STREAM_CAPTURE_MODE_RELAXED) return CUDA_SUCCESS;
    const std::lock_guard<std::mutex> hold(captures().mutex);
    CUresult result = CUDA_SUCCESS;
    for (auto &[stream, capture] : captures().all) {
        const bool is_mine = capture.thread == std::this_thread::get_id();
        const bool minds = capture.mode == CU_STREAM_CAPTURE_MODE_GLOBAL
                               ? thread_mode == CU_STREAM_CAPTURE_MODE_GLOBAL || is_mine
                               : capture.mode == CU_STREAM_CAPTURE_MODE_THREAD_LOCAL && is_mine;
        if (!minds) continue;
        capture.is_lost = true;
        result = CUDA_ERROR_STREAM_CAPTURE_UNSUPPORTED;
    }
    return result;
}

} // namespace gmemfs::sim
