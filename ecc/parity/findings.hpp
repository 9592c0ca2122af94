// Findings: what the kernels tell the host about a range of blocks: counters, the wrong blocks, the wrong symbols.
//
// A plain struct, in device memory while kernels write it, in pinned memory when the host reads it.
#pragma once

#include "ecc/parity/block.hpp"

#include <cstdint>

namespace gmemfs {

/// Blocks that one launch looks at, at the most: 16 GiB of data. More are done in several passes.
inline constexpr std::uint64_t kBlocksPerPass = std::uint64_t(1) << 17;
/// Faults told one by one in a pass; further ones are only counted.
inline constexpr unsigned kFaultsMax = 1024;

enum class FaultKind : std::uint8_t {
    mended = 1,          ///< this symbol was wrong, and is right now
    checksum_mended = 2, ///< data and parity agreed, and the checksum didn't: it was written anew; no codeword
    damaged = 3,         ///< the block holds more errors than can be mended; left as it was; no codeword
};

struct Fault {
    std::uint32_t block;    ///< counted from the launch's first
    std::uint16_t codeword; ///< 0 to 1023
    std::uint8_t symbol;    ///< its row: from 0 in the data, then the 8 rows of the parity
    FaultKind kind;
};

struct Findings {
    std::uint64_t blocks_wrong;    ///< data, parity or checksum differ from each other
    std::uint64_t codewords_wrong; ///< in those blocks
    std::uint64_t blocks_mended;   ///< of those wrong; the others are damaged
    std::uint64_t blocks_damaged;
    std::uint64_t symbols_mended;
    std::uint64_t checksums_mended;
    std::uint64_t faults_seen; ///< those beyond kFaultsMax are not in `faults`
    std::uint64_t unused;
    /// wrong_blocks[block / 32], bit block % 32: after a verification wrong, after a repair damaged.
    std::uint32_t wrong_blocks[kBlocksPerPass / 32];
    Fault faults[kFaultsMax]; ///< in no order
};
static_assert(sizeof(Fault) == 8);

} // namespace gmemfs
