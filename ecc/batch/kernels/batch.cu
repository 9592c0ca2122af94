// Batch entry point: what cuModuleGetFunction finds, and nothing else.
#include "ecc/batch/kernels/move.cuh"

extern "C" __global__ void __launch_bounds__(128)
    batch_move(const uint8_t *from, uint8_t *to, const gmemfs::MovePiece *pieces, uint64_t count) {
    gmemfs::kernels::batch_move({}, from, to, pieces, count);
}
