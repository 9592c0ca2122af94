// Capture: which driver calls end a stream's graph capture badly, as on a card.
//
// A capturing stream records work into a graph in place of running it. The graph is empty here and can't be launched.
#pragma once

#include "vmm/sim/stream.hpp"

#include <memory>

namespace gmemfs::sim {

/// INVALID_HANDLE, of all that take a stream: there is none.
CUresult begin_capture(const std::shared_ptr<Stream> &stream, CUstreamCaptureMode mode);
/// STREAM_CAPTURE_INVALIDATED: a call that isn't allowed came in between. Either way the stream runs its work again.
CUresult end_capture(const std::shared_ptr<Stream> &stream, CUgraph *graph);
CUresult capture_status(const std::shared_ptr<Stream> &stream, CUstreamCaptureStatus *status);
CUresult destroy_graph(CUgraph graph);
CUresult exchange_capture_mode(CUstreamCaptureMode *mode); ///< of the calling thread

bool is_capturing(const Stream &stream);
/// A call that conflicts with every capture in a context (of one stream where it is given), whatever the mode:
/// STREAM_CAPTURE_UNSUPPORTED, and those captures are lost. CUDA_SUCCESS where there is none.
CUresult conflict_with_captures(const Context *context, const Stream *only);
/// A call that may wait for the whole device by itself: the same, unless the thread is in relaxed mode, or the captures
/// under way are others' and don't mind.
CUresult endanger_captures();

} // namespace gmemfs::sim
