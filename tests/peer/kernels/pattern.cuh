// Pattern: the kernels of the test client: fill memory with a seeded pattern, and count the words that differ from it.
//
//     words[index], index from 0 to count - 1: 32 bits each; lane L of N takes L, L + N, L + 2N, ...
//     mismatches[lane]: one counter a lane, so that nothing is added atomically; the host sums them
//
// Per lane, without shared memory or warp-wide steps: the same text runs on a GPU and, compiled for the host, in the
// simulator. Bytes a word: 4 written, or 4 read; bound by memory. Any alignment of 4 bytes; any launch shape.
#pragma once

#include <stdint.h>

#if defined(__CUDACC__)
#define PATTERN_BOTH __host__ __device__
#else
#define PATTERN_BOTH
#endif

/// One lane of a launch: its number, and how many there are.
struct PatternLane {
    uint64_t index, count;
};

/// The word at `index` of the pattern of `seed`: a 32-bit finalizer (lowbias32, Wellons 2018) of the two together.
PATTERN_BOTH inline uint32_t pattern_word(uint32_t seed, uint64_t index) {
    uint32_t word = static_cast<uint32_t>(index) ^ (static_cast<uint32_t>(index >> 32) * 0x9e3779b9u) ^ (seed << 16);
    word += seed;
    word = (word ^ (word >> 16)) * 0x21f0aaadu;
    word = (word ^ (word >> 15)) * 0x735a2d97u;
    return word ^ (word >> 15);
}

PATTERN_BOTH inline void pattern_write_lane(PatternLane lane, uint32_t *words, uint64_t count, uint32_t seed) {
    for (uint64_t index = lane.index; index < count; index += lane.count) words[index] = pattern_word(seed, index);
}

PATTERN_BOTH inline void pattern_check_lane(
    PatternLane lane, const uint32_t *words, uint64_t count, uint32_t seed, uint64_t *mismatches) {
    uint64_t found = 0;
    for (uint64_t index = lane.index; index < count; index += lane.count)
        found += words[index] != pattern_word(seed, index) ? 1 : 0;
    mismatches[lane.index] = found;
}
