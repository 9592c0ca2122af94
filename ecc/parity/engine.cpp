#include "ecc/parity/engine.hpp"

#include "vmm/base/units.hpp"
#include "vmm/device/trace.hpp"

#include <algorithm>
#include <span>

namespace gmemfs {
namespace {

constexpr unsigned kChunkBits = 20; // 1 MiB, the largest request of FUSE
constexpr std::uint64_t kBlocksPerChunk = (std::uint64_t(1) << kChunkBits) / kBlockSize;
constexpr std::uint64_t kChunksMost = 4; // of one call that goes chunk by chunk; what is wider goes at once

std::uint64_t chunk_of(CUdeviceptr address) { return address >> kChunkBits; }

} // namespace

Result<std::unique_ptr<ParityEngine>> ParityEngine::create(Keeper &keeper, Device &device) {
    std::unique_ptr<ParityKernels> kernels = TRY(ParityKernels::load(device));
    auto engine = std::unique_ptr<ParityEngine>(new ParityEngine(keeper, device, std::move(kernels)));
    for (std::unique_ptr<Queue> &queue : engine->queues_) {
        Stream stream = TRY(Stream::create(device));
        Event mark = TRY(Event::create(device));
        queue = std::make_unique<Queue>(std::move(stream), std::move(mark), TRY(FindingsBuffer::create(engine->pool_)));
    }
    return engine;
}

// Multiplied by the golden ratio, so that files whose extents lie a power of two apart don't meet on one queue.
ParityEngine::Queue &ParityEngine::queue_of(CUdeviceptr address) const {
    constexpr std::uint64_t kGoldenRatio = 0x9e3779b97f4a7c15; // 2^64 / 1.618...
    static_assert(kQueueCount == 8);
    return *queues_[chunk_of(address) * kGoldenRatio >> 61];
}

Result<void> ParityEngine::check_alive() const {
    if (!is_lost()) [[likely]]
        return {};
    return Error{EIO, 0, "use parity kernels", "their device is lost to this process"};
}

Result<void> ParityEngine::wait_for(CUstream stream, CUevent mark) const {
    return device().check(device().driver().cuStreamWaitEvent(stream, mark, 0), "order parity kernels");
}

// The first queue waits for what all others have queued.
Result<void> ParityEngine::gather() {
    CUstream const first = queues_.front()->stream.get();
    for (std::size_t index = 1; index < kQueueCount; ++index) {
        const Queue &queue = *queues_[index];
        TRY(device().check(
            device().driver().cuEventRecord(queue.mark.get(), queue.stream.get()), "order parity kernels"));
        TRY(wait_for(first, queue.mark.get()));
    }
    return {};
}

// All others wait for what the first has queued.
Result<void> ParityEngine::scatter() {
    const Queue &first = *queues_.front();
    TRY(device().check(device().driver().cuEventRecord(first.mark.get(), first.stream.get()), "order parity kernels"));
    for (std::size_t index = 1; index < kQueueCount; ++index)
        TRY(wait_for(queues_[index]->stream.get(), first.mark.get()));
    return {};
}

template <typename Work>
Result<void> ParityEngine::queue(Copiers *after, Parity &parity, std::uint64_t first, std::uint64_t count, Work work) {
    TRY(check_alive());
    TRY(device().make_current());
    std::span<const CUevent> marks;
    if (after != nullptr) marks = TRY(after->marks());
    const CUdeviceptr begin = parity.blocks(first, count).data;
    const std::uint64_t chunks = chunk_of(begin + count * kBlockSize - 1) - chunk_of(begin) + 1;
    if (chunks > kChunksMost) {
        const Hold hold(wide_);
        TRY(gather());
        CUstream const stream = queues_.front()->stream.get();
        for (CUevent const mark : marks) TRY(wait_for(stream, mark));
        TRY(work(stream, first, count));
        return scatter();
    }
    for (std::uint64_t done = 0; done < count;) {
        const CUdeviceptr at = begin + done * kBlockSize;
        const std::uint64_t left_in_chunk = kBlocksPerChunk - at / kBlockSize % kBlocksPerChunk;
        const std::uint64_t part = std::min(count - done, left_in_chunk);
        CUstream const stream = queue_of(at).stream.get();
        for (CUevent const mark : marks) TRY(wait_for(stream, mark));
        TRY(work(stream, first + done, part));
        done += part;
    }
    return {};
}

Result<void> ParityEngine::encode(Copiers *after, Parity &parity, std::uint64_t first, std::uint64_t count) {
    const Trace trace("gmemfs encode");
    return queue(after, parity, first, count,
        [&](CUstream stream, std::uint64_t from, std::uint64_t number) { return parity.encode(stream, from, number); });
}

Result<void> ParityEngine::clear(Copiers *after, Parity &parity, std::uint64_t first, std::uint64_t count) {
    return queue(after, parity, first, count,
        [&](CUstream stream, std::uint64_t from, std::uint64_t number) { return parity.clear(stream, from, number); });
}

Result<BlockReport> ParityEngine::check_on(
    Queue &queue, ParityMode mode, Parity &parity, std::uint64_t first, std::uint64_t count) {
    const Hold hold(queue.mutex);
    CUstream const stream = queue.stream.get();
    BlockReport report = TRY(parity.check(mode, stream, queue.findings, first, count));
    verified_ += report.blocks;
    repaired_ += report.blocks_mended;
    if (mode == ParityMode::repair) damaged_ += report.left_wrong.size();
    return report;
}

Result<BlockReport> ParityEngine::check(ParityMode mode, Parity &parity, std::uint64_t first, std::uint64_t count) {
    const Trace trace(mode == ParityMode::verify ? "gmemfs verify" : "gmemfs repair");
    TRY(check_alive());
    TRY(device().make_current());
    const CUdeviceptr begin = parity.blocks(first, count).data;
    if (chunk_of(begin) == chunk_of(begin + count * kBlockSize - 1))
        return check_on(queue_of(begin), mode, parity, first, count);
    {
        const Hold hold(wide_);
        TRY(gather());
    }
    // It waits for the end, so nobody has to be made to wait for it.
    return check_on(*queues_.front(), mode, parity, first, count);
}

Result<void> ParityEngine::wait() {
    Result<void> result;
    for (const std::unique_ptr<Queue> &queue : queues_) {
        if (!queue) continue; // create() has failed
        if (is_lost()) {      // and its errors are known
            device().driver().cuStreamSynchronize(queue->stream.get());
            continue;
        }
        const Result<void> waited =
            device().check(device().driver().cuStreamSynchronize(queue->stream.get()), "wait for parity kernels");
        if (!waited && result) result = Error(waited.error());
    }
    return result ? check_alive() : std::move(result);
}

} // namespace gmemfs
