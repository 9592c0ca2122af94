// Pattern entry points: what cuModuleGetFunction finds, and nothing else.
#include "tests/peer/kernels/pattern.cuh"

__device__ static PatternLane this_lane() {
    const uint64_t index = uint64_t(blockIdx.x) * blockDim.x + threadIdx.x;
    return {index, uint64_t(gridDim.x) * blockDim.x};
}

extern "C" __global__ void pattern_write(uint32_t *words, uint64_t count, uint32_t seed) {
    pattern_write_lane(this_lane(), words, count, seed);
}

extern "C" __global__ void pattern_check(const uint32_t *words, uint64_t count, uint32_t seed, uint64_t *mismatches) {
    pattern_check_lane(this_lane(), words, count, seed, mismatches);
}
