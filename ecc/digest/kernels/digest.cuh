// Digest kernel: one level of the tree of SHA-256; one lane hashes 4 KiB.
//
//     data       length bytes, at a multiple of 16
//     digests    digests[node][32], for (length + 4095) / 4096 nodes; the last one may be short
#pragma once

#include "ecc/digest/kernels/sha256.cuh"

namespace gmemfs::kernels {

inline constexpr uint64_t kDigestNode = 4096; ///< bytes
inline constexpr uint64_t kDigestSize = 32;

GPU_INLINE void digest_node(uint64_t node, const uint8_t *data, uint64_t length, uint8_t *digests) {
    const uint64_t offset = node * kDigestNode;
    if (offset >= length) return;
    const uint64_t part = length - offset < kDigestNode ? length - offset : kDigestNode;
    sha256(data + offset, part, digests + node * kDigestSize);
}

} // namespace gmemfs::kernels
