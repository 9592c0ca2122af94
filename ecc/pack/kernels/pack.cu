// Pack entry points: what cuModuleGetFunction finds, and nothing else.
#include "ecc/pack/kernels/crc32c.cuh"
#include "ecc/pack/kernels/decode.cuh"
#include "ecc/pack/kernels/encode.cuh"
#include "ecc/pack/kernels/plan.cuh"
#include "ecc/pack/kernels/window.cuh"

// A thread block is 4 warps. How many of them a multiprocessor runs bounds the registers: 64 where 8, 42 where 12.
// Before compute capability 8.0 there is room for 8.
#if defined(__CUDA_ARCH__) && __CUDA_ARCH__ < 800
#define PACK_KERNEL(blocks) extern "C" __global__ void __launch_bounds__(128, 8)
#else
#define PACK_KERNEL(blocks) extern "C" __global__ void __launch_bounds__(128, blocks)
#endif

using gmemfs::ImageEntry;
using gmemfs::PackFindings;

PACK_KERNEL(8) pack_plan(const uint8_t *plain, ImageEntry *entries, uint64_t count) {
    __shared__ gmemfs::kernels::PackScratch scratch[4];
    gmemfs::kernels::pack_plan({}, plain, entries, count, scratch[threadIdx.x / 32]);
}
PACK_KERNEL(12) pack_encode(const uint8_t *plain, uint8_t *image, const ImageEntry *entries, uint64_t count) {
    __shared__ gmemfs::kernels::PackScratch scratch[4];
    gmemfs::kernels::pack_encode({}, plain, image, entries, count, scratch[threadIdx.x / 32]);
}
PACK_KERNEL(12)
pack_gather(const uint8_t *window, uint64_t stride, uint8_t *image, const ImageEntry *entries, uint64_t count) {
    gmemfs::kernels::pack_gather({}, window, stride, image, entries, count);
}
PACK_KERNEL(12)
pack_compare_window(const uint8_t *plain, const uint8_t *window, uint64_t stride, const ImageEntry *entries,
    uint64_t count, uint64_t first, PackFindings *findings) {
    gmemfs::kernels::pack_compare_window({}, plain, window, stride, entries, count, first, findings);
}
PACK_KERNEL(8) pack_checksum(const uint8_t *image, ImageEntry *entries, uint64_t count) {
    gmemfs::kernels::pack_checksum({}, image, entries, count);
}
PACK_KERNEL(8)
pack_check(const uint8_t *image, const ImageEntry *entries, uint64_t count, uint64_t first, PackFindings *findings) {
    gmemfs::kernels::pack_check({}, image, entries, count, first, findings);
}
PACK_KERNEL(9)
pack_compare(const uint8_t *plain, const uint8_t *image, const ImageEntry *entries, uint64_t count, uint64_t first,
    PackFindings *findings) {
    gmemfs::kernels::pack_compare({}, plain, image, entries, count, first, findings);
}
PACK_KERNEL(10)
pack_decode(uint8_t *plain, const uint8_t *image, const ImageEntry *entries, uint64_t count, uint64_t first,
    PackFindings *findings) {
    gmemfs::kernels::pack_decode({}, plain, image, entries, count, first, findings);
}
PACK_KERNEL(10)
pack_prove(const uint8_t *image, const ImageEntry *entries, uint64_t count, uint64_t first, PackFindings *findings) {
    gmemfs::kernels::pack_prove({}, image, entries, count, first, findings);
}
