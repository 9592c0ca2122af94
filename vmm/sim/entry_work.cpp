// Entry, work: streams, events, kernels.
#include "vmm/sim/capture.hpp"
#include "vmm/sim/entry.hpp"
#include "vmm/sim/streams.hpp"

using namespace gmemfs::sim;

extern "C" {

CUresult cuStreamCreate(CUstream *stream, unsigned flags) {
    GMEMFS_SIM_ENTER_WITH_CONTEXT(cuStreamCreate);
    GMEMFS_SIM_NOT_NULL(stream);
    return create_stream(stream, flags);
}

CUresult cuStreamDestroy(CUstream stream) {
    GMEMFS_SIM_ENTER(cuStreamDestroy);
    return destroy_stream(stream);
}

CUresult cuStreamSynchronize(CUstream handle) {
    if (process() == nullptr) return CUDA_ERROR_NOT_INITIALIZED;
    if (handle == nullptr && current_context() == nullptr) return CUDA_ERROR_INVALID_CONTEXT;
    const std::shared_ptr<Stream> stream = find_stream(handle);
    if (!stream) return CUDA_ERROR_INVALID_HANDLE;
    if (const CUresult lost = conflict_with_captures(stream->context(), stream.get()); lost != CUDA_SUCCESS)
        return lost;
    synchronize(*stream);
    const auto failed = static_cast<CUresult>(stream->context()->failed.load());
    const CUresult fault = leave_wait("cuStreamSynchronize", *stream->context());
    return failed != CUDA_SUCCESS ? failed : fault;
}

CUresult cuStreamQuery(CUstream handle) {
    GMEMFS_SIM_ENTER_WITH_CONTEXT(cuStreamQuery);
    const std::shared_ptr<Stream> stream = find_stream(handle);
    if (!stream) return CUDA_ERROR_INVALID_HANDLE;
    if (const CUresult lost = conflict_with_captures(stream->context(), stream.get()); lost != CUDA_SUCCESS)
        return lost;
    stream->hurry();
    return stream->is_idle() ? CUDA_SUCCESS : CUDA_ERROR_NOT_READY;
}

CUresult cuStreamBeginCapture(CUstream stream, CUstreamCaptureMode mode) {
    GMEMFS_SIM_ENTER_WITH_CONTEXT(cuStreamBeginCapture);
    return begin_capture(find_stream(stream), mode);
}

CUresult cuStreamEndCapture(CUstream stream, CUgraph *graph) {
    GMEMFS_SIM_ENTER_WITH_CONTEXT(cuStreamEndCapture);
    GMEMFS_SIM_NOT_NULL(graph);
    return end_capture(find_stream(stream), graph);
}

CUresult cuStreamIsCapturing(CUstream stream, CUstreamCaptureStatus *status) {
    GMEMFS_SIM_ENTER_WITH_CONTEXT(cuStreamIsCapturing);
    GMEMFS_SIM_NOT_NULL(status);
    return capture_status(find_stream(stream), status);
}

CUresult cuThreadExchangeStreamCaptureMode(CUstreamCaptureMode *mode) {
    GMEMFS_SIM_ENTER(cuThreadExchangeStreamCaptureMode);
    GMEMFS_SIM_NOT_NULL(mode);
    return exchange_capture_mode(mode);
}

CUresult cuGraphDestroy(CUgraph graph) {
    GMEMFS_SIM_ENTER(cuGraphDestroy);
    return destroy_graph(graph);
}

CUresult cuStreamWaitEvent(CUstream handle, CUevent event_handle, unsigned) {
    GMEMFS_SIM_ENTER_WITH_CONTEXT(cuStreamWaitEvent);
    const std::shared_ptr<Stream> stream = find_stream(handle);
    const std::shared_ptr<Event> event = find_event(event_handle);
    if (!stream || !event) return CUDA_ERROR_INVALID_HANDLE;
    std::shared_ptr<Stream> recorded;
    std::uint64_t number = 0;
    {
        const std::lock_guard<std::mutex> hold(event->mutex);
        recorded = event->stream;
        number = event->number;
    }
    if (!recorded || recorded == stream) return CUDA_SUCCESS;
    submit(*stream, [recorded, number]() -> CUresult {
        recorded->wait(number);
        return CUDA_SUCCESS;
    });
    return CUDA_SUCCESS;
}

CUresult cuEventCreate(CUevent *event, unsigned) {
    GMEMFS_SIM_ENTER_WITH_CONTEXT(cuEventCreate);
    GMEMFS_SIM_NOT_NULL(event);
    return create_event(event);
}

CUresult cuEventDestroy(CUevent event) {
    GMEMFS_SIM_ENTER(cuEventDestroy);
    return destroy_event(event);
}

CUresult cuEventRecord(CUevent event_handle, CUstream handle) {
    GMEMFS_SIM_ENTER_WITH_CONTEXT(cuEventRecord);
    const std::shared_ptr<Stream> stream = find_stream(handle);
    const std::shared_ptr<Event> event = find_event(event_handle);
    if (!stream || !event) return CUDA_ERROR_INVALID_HANDLE;
    const std::uint64_t number = submit(*stream, []() -> CUresult { return CUDA_SUCCESS; });
    const std::lock_guard<std::mutex> hold(event->mutex);
    event->stream = stream;
    event->number = number;
    return CUDA_SUCCESS;
}

CUresult cuEventSynchronize(CUevent handle) {
    if (process() == nullptr) return CUDA_ERROR_NOT_INITIALIZED;
    const std::shared_ptr<Event> event = find_event(handle);
    if (!event) return CUDA_ERROR_INVALID_HANDLE;
    std::unique_lock<std::mutex> hold(event->mutex);
    const std::shared_ptr<Stream> stream = event->stream;
    const std::uint64_t number = event->number;
    hold.unlock();
    if (!stream) return enter("cuEventSynchronize"); // never recorded: done
    stream->wait(number);
    const auto failed = static_cast<CUresult>(stream->context()->failed.load());
    const CUresult fault = leave_wait("cuEventSynchronize", *stream->context());
    return failed != CUDA_SUCCESS ? failed : fault;
}

CUresult cuEventQuery(CUevent handle) {
    GMEMFS_SIM_ENTER(cuEventQuery);
    const std::shared_ptr<Event> event = find_event(handle);
    if (!event) return CUDA_ERROR_INVALID_HANDLE;
    const std::lock_guard<std::mutex> hold(event->mutex);
    if (!event->stream || event->stream->is_done(event->number)) return CUDA_SUCCESS;
    event->stream->hurry();
    return CUDA_ERROR_NOT_READY;
}

CUresult cuModuleLoadData(CUmodule *module, const void *image) {
    GMEMFS_SIM_ENTER_WITH_CONTEXT(cuModuleLoadData);
    GMEMFS_SIM_NOT_NULL(module);
    GMEMFS_SIM_NOT_NULL(image);
    ++process()->modules;
    *module = reinterpret_cast<CUmodule>(1); // NOLINT(performance-no-int-to-ptr): a handle, never followed
    return CUDA_SUCCESS;
}

CUresult cuModuleUnload(CUmodule module) {
    GMEMFS_SIM_ENTER_WITH_CONTEXT(cuModuleUnload);
    if (module == nullptr || process()->modules == 0) return CUDA_ERROR_INVALID_HANDLE;
    --process()->modules;
    return CUDA_SUCCESS;
}

CUresult cuModuleGetFunction(CUfunction *function, CUmodule module, const char *name) {
    GMEMFS_SIM_ENTER_WITH_CONTEXT(cuModuleGetFunction);
    GMEMFS_SIM_NOT_NULL(function);
    GMEMFS_SIM_NOT_NULL(name);
    if (module == nullptr) return CUDA_ERROR_INVALID_HANDLE;
    return get_function(function, name);
}

CUresult cuFuncGetAttribute(int *value, CUfunction_attribute attribute, CUfunction function) {
    GMEMFS_SIM_ENTER(cuFuncGetAttribute);
    GMEMFS_SIM_NOT_NULL(value);
    if (function == nullptr) return CUDA_ERROR_INVALID_HANDLE;
    if (attribute != CU_FUNC_ATTRIBUTE_LOCAL_SIZE_BYTES) return CUDA_ERROR_INVALID_VALUE;
    *value = 64; // what parity_repair has on an H200 (nvcc 13.0)
    return CUDA_SUCCESS;
}

CUresult cuLaunchKernel(CUfunction function, unsigned blocks, unsigned blocks_y, unsigned blocks_z, unsigned threads,
    unsigned threads_y, unsigned threads_z, unsigned, CUstream stream, void **params, void **extra) {
    GMEMFS_SIM_ENTER_WITH_CONTEXT(cuLaunchKernel);
    if (blocks_y != 1 || blocks_z != 1 || threads_y != 1 || threads_z != 1 || extra != nullptr)
        return CUDA_ERROR_NOT_SUPPORTED; // one dimension is all that our kernels have
    return launch(function, blocks, threads, stream, params);
}

} // extern "C"
