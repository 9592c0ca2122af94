// Parity variants: kernels that only tests and benches use: RS(128,120), and the plain reading of memory.
#include "ecc/parity/kernels/entry.cuh"
#include "tests/support/read_all.cuh"

ECC_ENTRIES(parity_encode_120, parity_verify_120, parity_repair_120, 120)

extern "C" __global__ void __launch_bounds__(256)
    read_all(const gmemfs::kernels::Quad *from, uint64_t quad_count, uint32_t *sums) {
    gmemfs::test::read_all_lane(
        uint64_t(blockIdx.x) * blockDim.x + threadIdx.x, uint64_t(gridDim.x) * blockDim.x, from, quad_count, sums);
}
