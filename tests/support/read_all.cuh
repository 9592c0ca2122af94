// Read all: reads every byte once, 16 at a time, and keeps the XOR: what a kernel that is bound by memory can reach.
#pragma once

#include "ecc/lane.hpp"

namespace gmemfs::test {

/// Lane `index` of `count` reads the quads index, index + count, ... and leaves its XOR in sums[index]: the host adds
/// them up and compares, so that nothing can be left out. Eight loads are in flight.
GPU_INLINE void read_all_lane(
    uint64_t index, uint64_t count, const kernels::Quad *from, uint64_t quad_count, uint32_t *sums) {
    constexpr unsigned kInFlight = 8;
    uint32_t sum = 0;
    uint64_t at = index;
    for (; at + (kInFlight - 1) * count < quad_count; at += kInFlight * count) {
        kernels::Quad quads[kInFlight];
        GPU_UNROLL
        for (unsigned i = 0; i < kInFlight; ++i) quads[i] = kernels::load_once(from + at + i * count);
        GPU_UNROLL
        for (unsigned i = 0; i < kInFlight; ++i)
            sum ^= quads[i].word[0] ^ quads[i].word[1] ^ quads[i].word[2] ^ quads[i].word[3];
    }
    for (; at < quad_count; at += count) {
        const kernels::Quad quad = kernels::load_once(from + at);
        sum ^= quad.word[0] ^ quad.word[1] ^ quad.word[2] ^ quad.word[3];
    }
    sums[index] = sum;
}

} // namespace gmemfs::test
