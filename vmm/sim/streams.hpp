// Streams: those of a process by their handles, its events, and the order of work among streams.
#pragma once

#include "vmm/sim/stream.hpp"

#include <cstddef>
#include <cstdint>
#include <memory>

namespace gmemfs::sim {

/// The stream of a CUstream; the legacy stream of the current context for null. Null for what is none.
std::shared_ptr<Stream> find_stream(CUstream stream);
CUresult create_stream(CUstream *stream, unsigned flags);
CUresult destroy_stream(CUstream stream);
/// Queues work on a stream, after what the rules of the legacy stream put before it; its number.
std::uint64_t submit(Stream &stream, Stream::Work work);
/// Waits for what cuStreamSynchronize waits for: on the legacy stream, for the blocking ones, too.
void synchronize(Stream &stream);
void wait_for_all_streams(const Context *context); ///< of every context where it is null

std::shared_ptr<Event> find_event(CUevent event);
CUresult create_event(CUevent *event);
CUresult destroy_event(CUevent event);
std::size_t stream_count(); ///< made and not destroyed, of all contexts
std::size_t event_count();  ///< the same

// kernel.cpp
CUresult get_function(CUfunction *function, const char *name);
CUresult launch(CUfunction function, unsigned blocks, unsigned threads, CUstream stream, void **params);

} // namespace gmemfs::sim
