// Parity: 8 KiB of parity (6.25 % of the data) and 16 bytes of checksum for each block of one piece of an extent.
//
// Encodes, verifies and repairs ranges of whole blocks on the device, on a stream that the caller gives. Parity doesn't
// know which of its blocks are current: a caller that writes data encodes the blocks that the write touched. Encoding
// makes the parity fit whatever the data are, an undetected error included. So verify a block before changing a part
// of it.
#pragma once

#include "ecc/parity/kernels.hpp"
#include "ecc/parity/pool.hpp"
#include "vmm/device/staging.hpp"

#include <memory>
#include <vector>

namespace gmemfs {

/// What a verification or a repair found in a range. Block numbers count from the piece's first.
struct BlockReport {
    struct Fault {
        std::uint64_t block;
        unsigned codeword; ///< 0 to 1023
        unsigned symbol;   ///< 0 to 135: its row in the data, then in the parity
        FaultKind kind;
    };
    std::uint64_t blocks = 0;          ///< looked at
    std::uint64_t blocks_wrong = 0;    ///< in which data, parity and checksum didn't agree
    std::uint64_t codewords_wrong = 0; ///< in those
    std::uint64_t blocks_mended = 0;   ///< of those wrong, by a repair; none by a verification
    std::uint64_t symbols_mended = 0;
    std::uint64_t checksums_mended = 0;
    std::vector<std::uint64_t> left_wrong; ///< the blocks that still are wrong, ascending; after a repair, damaged
    std::vector<Fault> faults;             ///< of a repair, in no order, at most kFaultsMax for every 16 GiB

    bool clean() const { return blocks_wrong == 0; }
    void append(const BlockReport &further); ///< of blocks behind these
};

/// Where the kernels write their Findings, and where the host reads them. Each thread that verifies has its own. Not
/// thread-safe.
class FindingsBuffer {
public:
    static Result<FindingsBuffer> create(Pool &pool);

    CUdeviceptr address() const { return piece_.address(); }
    /// Queues the clearing of counters and marks.
    Result<void> clear(CUstream stream, std::uint64_t block_count);
    /// Waits for the stream, and adds what it found to the report, for blocks from number `first`.
    Result<void> read(CUstream stream, std::uint64_t first, std::uint64_t block_count, BlockReport &report);

private:
    FindingsBuffer(Device &device, PoolPiece piece, PinnedBuffer landing)
        : device_(device), piece_(std::move(piece)), landing_(std::move(landing)) {}
    Result<void> copy(CUstream stream, std::size_t offset, std::size_t size);

    Device &device_;
    PoolPiece piece_;
    PinnedBuffer landing_;
};

/// What a check of blocks does about what is wrong.
enum class ParityMode { verify, repair };

/// Thread-safe, as long as no two threads touch the same blocks. The extent, the kernels and the pool outlive it.
class Parity {
public:
    /// `data` is whole blocks: its length is a multiple of 128 KiB. The parity's contents are whatever was in that
    /// memory before, so call clear() or encode() first. ENOSPC: the device is full.
    static Result<std::unique_ptr<Parity>> create(const ParityKernels &kernels, Pool &pool, Slice data);

    std::uint64_t block_count() const { return block_count_; }
    /// Where `count` blocks from number `first` lie, and what belongs to them.
    ParityKernels::Blocks blocks(std::uint64_t first, std::uint64_t count) const;
    /// Device memory for the parity of `data_size` bytes, without the checksums (data_size / 8192).
    static constexpr std::uint64_t size_of(std::uint64_t data_size) {
        return data_size / kBlockSize * kBlockParitySize;
    }

    /// Queues the parity and checksums of blocks that are all zeros, as in a new extent. Cheaper than encoding them.
    Result<void> clear(CUstream stream, std::uint64_t first, std::uint64_t count);
    /// Queues the encoding of `count` blocks (at least 1) from number `first`.
    Result<void> encode(CUstream stream, std::uint64_t first, std::uint64_t count);
    /// Compares blocks with their parity. Waits for the device, also where it returns an Error. `verify` writes
    /// nothing. `repair` mends what can be mended; a block that it has changed matches its checksum. The caller keeps
    /// others from writing to these blocks, and their parity is current.
    Result<BlockReport> check(
        ParityMode mode, CUstream stream, FindingsBuffer &findings, std::uint64_t first, std::uint64_t count);

private:
    Parity(const ParityKernels &kernels, Slice data, PoolPiece parity, PoolPiece checksums)
        : kernels_(kernels), data_(data.extent->address() + data.offset), block_count_(data.length / kBlockSize),
          parity_(std::move(parity)), checksums_(std::move(checksums)) {}
    Result<BlockReport> check_in_passes(
        ParityMode mode, CUstream stream, FindingsBuffer &findings, std::uint64_t first, std::uint64_t count);

    const ParityKernels &kernels_;
    const CUdeviceptr data_;
    const std::uint64_t block_count_;
    PoolPiece parity_;    // parity[block][row][1024]
    PoolPiece checksums_; // checksums[block]
};

} // namespace gmemfs
