#include "ecc/parity/parity.hpp"

#include "ecc/parity/kernels/checksum.cuh"

#include <algorithm>
#include <bit>
#include <cstddef>

namespace gmemfs {
namespace {

// Counters and marks come first in Findings; of the marks, those of the blocks that were looked at.
std::size_t counters_and_marks(std::uint64_t block_count) {
    return offsetof(Findings, wrong_blocks) + (block_count + 31) / 32 * sizeof(std::uint32_t);
}

} // namespace

void BlockReport::append(const BlockReport &further) {
    blocks += further.blocks;
    blocks_wrong += further.blocks_wrong;
    codewords_wrong += further.codewords_wrong;
    blocks_mended += further.blocks_mended;
    symbols_mended += further.symbols_mended;
    checksums_mended += further.checksums_mended;
    left_wrong.insert(left_wrong.end(), further.left_wrong.begin(), further.left_wrong.end());
    faults.insert(faults.end(), further.faults.begin(), further.faults.end());
}

Result<FindingsBuffer> FindingsBuffer::create(Pool &pool) {
    PoolPiece piece = TRY(pool.take(sizeof(Findings)));
    PinnedBuffer landing = TRY(PinnedBuffer::create(pool.device(), sizeof(Findings)));
    return FindingsBuffer(pool.device(), std::move(piece), std::move(landing));
}

Result<void> FindingsBuffer::clear(CUstream stream, std::uint64_t block_count) {
    TRY(device_.make_current());
    return device_.check(
        device_.driver().cuMemsetD8Async(address(), 0, counters_and_marks(block_count), stream), "clear findings");
}

Result<void> FindingsBuffer::copy(CUstream stream, std::size_t offset, std::size_t size) {
    TRY(device_.check(
        device_.driver().cuMemcpyDtoHAsync(landing_.bytes().data() + offset, address() + offset, size, stream),
        "read findings"));
    return device_.check(device_.driver().cuStreamSynchronize(stream), "wait for parity kernels");
}

Result<void> FindingsBuffer::read(
    CUstream stream, std::uint64_t first, std::uint64_t block_count, BlockReport &report) {
    TRY(device_.make_current());
    TRY(copy(stream, 0, counters_and_marks(block_count)));
    const auto &found = *reinterpret_cast<const Findings *>(landing_.bytes().data());
    report.blocks += block_count;
    if (found.blocks_wrong == 0) return {};
    const std::uint64_t told = std::min<std::uint64_t>(found.faults_seen, kFaultsMax);
    if (told > 0) TRY(copy(stream, offsetof(Findings, faults), told * sizeof(Fault)));
    report.blocks_wrong += found.blocks_wrong;
    report.codewords_wrong += found.codewords_wrong;
    report.blocks_mended += found.blocks_mended;
    report.symbols_mended += found.symbols_mended;
    report.checksums_mended += found.checksums_mended;
    for (std::uint64_t word = 0; word * 32 < block_count; ++word)
        for (std::uint32_t marks = found.wrong_blocks[word]; marks != 0; marks &= marks - 1)
            report.left_wrong.push_back(first + word * 32 + static_cast<unsigned>(std::countr_zero(marks)));
    for (std::uint64_t index = 0; index < told; ++index) {
        const Fault &fault = found.faults[index];
        report.faults.push_back({first + fault.block, fault.codeword, fault.symbol, fault.kind});
    }
    return {};
}

Result<std::unique_ptr<Parity>> Parity::create(const ParityKernels &kernels, Pool &pool, Slice data) {
    GMEMFS_ASSERT(data.length % kBlockSize == 0);
    GMEMFS_ASSERT(&pool.device() == &data.extent->device());
    TRY(data.extent->open());
    PoolPiece parity = TRY(pool.take(size_of(data.length)));
    PoolPiece checksums = TRY(pool.take(data.length / kBlockSize * sizeof(Checksum)));
    return std::unique_ptr<Parity>(new Parity(kernels, data, std::move(parity), std::move(checksums)));
}

ParityKernels::Blocks Parity::blocks(std::uint64_t first, std::uint64_t count) const {
    GMEMFS_ASSERT(first <= block_count_);
    GMEMFS_ASSERT(count <= block_count_ - first);
    return {data_ + first * kBlockSize, parity_.address() + first * kBlockParitySize,
        checksums_.address() + first * sizeof(Checksum), count};
}

Result<void> Parity::clear(CUstream stream, std::uint64_t first, std::uint64_t count) {
    const ParityKernels::Blocks range = blocks(first, count);
    Device &device = kernels_.device();
    const Driver &driver = device.driver();
    TRY(device.make_current());
    TRY(device.check(driver.cuMemsetD8Async(range.parity, 0, count * kBlockParitySize, stream), "clear parity"));
    return device.check(
        driver.cuMemsetD8Async(range.checksums, 0, count * sizeof(Checksum), stream), "clear checksums");
}

Result<void> Parity::encode(CUstream stream, std::uint64_t first, std::uint64_t count) {
    return kernels_.encode(stream, blocks(first, count));
}

Result<BlockReport> Parity::check(
    ParityMode mode, CUstream stream, FindingsBuffer &findings, std::uint64_t first, std::uint64_t count) {
    Result<BlockReport> report = check_in_passes(mode, stream, findings, first, count);
    // A repair that is queued and ran later would take what is written next for damage, and undo it.
    if (!report) kernels_.device().driver().cuStreamSynchronize(stream);
    return report;
}

Result<BlockReport> Parity::check_in_passes(
    ParityMode mode, CUstream stream, FindingsBuffer &findings, std::uint64_t first, std::uint64_t count) {
    BlockReport report;
    for (std::uint64_t done = 0; done < count;) {
        const std::uint64_t part = std::min(count - done, kBlocksPerPass);
        const ParityKernels::Blocks range = blocks(first + done, part);
        TRY(findings.clear(stream, part));
        TRY(kernels_.verify(stream, range, findings.address()));
        if (mode == ParityMode::repair) TRY(kernels_.repair(stream, range, findings.address()));
        TRY(findings.read(stream, first + done, part, report));
        done += part;
    }
    return report;
}

} // namespace gmemfs
