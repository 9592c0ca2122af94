// Pack entry points: what cuModuleGetFunction finds, and nothing else.
#include "ecc/pack/kernels/crc32c.cuh"
#include "ecc/pack/kernels/decode.cuh"
#include "ecc/pack/kernels/encode.cuh"
#include "ecc/pack/kernels/plan.cuh"

// A thread block is 4 warps, and a multiprocessor runs 8 of them: so 64 registers.
#define PACK_KERNEL extern "C" __global__ void __launch_bounds__(128, 8)

using gmemfs::ImageEntry;
using gmemfs::PackFindings;

PACK_KERNEL pack_plan(const uint8_t *plain, ImageEntry *entries, uint64_t count) {
    __shared__ gmemfs::kernels::PackScratch scratch[4];
    gmemfs::kernels::pack_plan({}, plain, entries, count, scratch[threadIdx.x / 32]);
}
PACK_KERNEL pack_encode(const uint8_t *plain, uint8_t *image, const ImageEntry *entries, uint64_t count) {
    __shared__ gmemfs::kernels::PackScratch scratch[4];
    gmemfs::kernels::pack_encode({}, plain, image, entries, count, scratch[threadIdx.x / 32]);
}
PACK_KERNEL pack_checksum(const uint8_t *image, ImageEntry *entries, uint64_t count) {
    gmemfs::kernels::pack_checksum({}, image, entries, count);
}
PACK_KERNEL pack_check(
    const uint8_t *image, const ImageEntry *entries, uint64_t count, uint64_t first, PackFindings *findings) {
    gmemfs::kernels::pack_check({}, image, entries, count, first, findings);
}
PACK_KERNEL pack_compare(const uint8_t *plain, const uint8_t *image, const ImageEntry *entries, uint64_t count,
    uint64_t first, PackFindings *findings) {
    gmemfs::kernels::pack_compare({}, plain, image, entries, count, first, findings);
}
PACK_KERNEL pack_decode(uint8_t *plain, const uint8_t *image, const ImageEntry *entries, uint64_t count, uint64_t first,
    PackFindings *findings) {
    gmemfs::kernels::pack_decode({}, plain, image, entries, count, first, findings);
}
