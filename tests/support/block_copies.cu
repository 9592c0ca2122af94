// Block copies: one launch for many small copies, to be measured beside the copy engines; and work that goes on beside.
#include "tests/support/block_copies.cuh"

extern "C" __global__ void __launch_bounds__(256) block_copies(const gmemfs::test::BlockCopies given) {
    const gmemfs::test::BlockCopies::Copy copy = given.copies[blockIdx.x];
    const uint4 *const from = reinterpret_cast<const uint4 *>(copy.from);
    uint4 *const to = reinterpret_cast<uint4 *>(copy.to);
    for (uint64_t index = threadIdx.x; index < copy.size / sizeof(uint4); index += blockDim.x) to[index] = from[index];
}

extern "C" __global__ void __launch_bounds__(256) busy_for(uint64_t cycles) {
    const long long end = clock64() + static_cast<long long>(cycles);
    while (clock64() < end) {}
}
