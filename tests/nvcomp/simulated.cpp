// Simulated nvCOMP: libnvcomp.so.6 for the simulator, by liblz4 and libzstd.
//
// With it the GPU's way of docs/batch.md is tried where there is no GPU. As with nvCOMP, the work is queued on the
// stream, arrays lie in device memory, buffers must be aligned, and a stream that is no stream may do anything: here it
// ends the process.
//
// It is a library of its own, which finds the simulator by the name under which the program has loaded it.
#include "ecc/batch/nvcomp_api.hpp"
#include "vmm/device/host_kernel.h"

#include <cstdio>
#include <cstdlib>
#include <cstring>
#include <dlfcn.h>
#include <iterator>
#include <lz4.h>
#include <memory>
#include <vector>
#include <zstd.h>

namespace {

using namespace gmemfs;

constexpr NvcompStatus kInvalidValue = 10, kCannotDecompress = 12, kCannotCompress = 19, kCudaError = 1000;
constexpr std::size_t kTempPerPage = 32; // bytes; nvCOMP's are 32 KiB

enum class Kind { lz4, zstd };
using Translate = void *(*)(unsigned long long);

void *simulator() {
    static void *const found = ::dlopen("libcuda.so.1", RTLD_NOW | RTLD_NOLOAD);
    return found;
}

template <typename Value>
Value argument(void **params, unsigned index) {
    return *static_cast<const Value *>(params[index]);
}
template <typename T>
T *pointer(void **params, unsigned index, Translate translate) {
    return static_cast<T *>(translate(argument<CUdeviceptr>(params, index)));
}

int compress_page(Kind kind, const char *page, int size, char *to, std::size_t room) {
    if (kind == Kind::lz4) return LZ4_compress_default(page, to, size, static_cast<int>(room));
    const std::size_t made = ZSTD_compress(to, room, page, static_cast<std::size_t>(size), 3);
    return ZSTD_isError(made) != 0 ? 0 : static_cast<int>(made);
}
// Bytes made; negative: no stream, or no room.
long decompress_page(Kind kind, const char *packed, std::size_t size, char *to, std::size_t room) {
    if (kind == Kind::lz4) return LZ4_decompress_safe(packed, to, static_cast<int>(size), static_cast<int>(room));
    const std::size_t made = ZSTD_decompress(to, room, packed, size);
    if (ZSTD_isError(made) == 0) return static_cast<long>(made);
    if (ZSTD_getFrameContentSize(packed, size) != ZSTD_CONTENTSIZE_ERROR) return -1;
    std::fprintf(stderr, "simulated nvCOMP: BUG: it was given what is no zstd frame\n");
    std::abort();
}

// Arguments: pages, sizes, room, count, temp, packed, packed sizes, statuses
template <Kind kKind>
void run_compress(const gmemfs_lane *lane, void **params, Translate translate) {
    if (lane->thread_index != 0 || lane->block_index != 0) return;
    const auto *const pages = pointer<CUdeviceptr>(params, 0, translate);
    const auto *const sizes = pointer<std::size_t>(params, 1, translate);
    const auto count = argument<std::uint64_t>(params, 3);
    std::memset(pointer<char>(params, 4, translate), 0xa5, count * kTempPerPage);
    const auto *const packed = pointer<CUdeviceptr>(params, 5, translate);
    auto *const packed_sizes = pointer<std::size_t>(params, 6, translate);
    auto *const statuses = pointer<NvcompStatus>(params, 7, translate);
    for (std::uint64_t index = 0; index < count; ++index) {
        if (pages[index] % 4 != 0 || packed[index] % 4 != 0) std::abort(); // zstd's alignment
        const int made =
            compress_page(kKind, static_cast<const char *>(translate(pages[index])), static_cast<int>(sizes[index]),
                static_cast<char *>(translate(packed[index])), argument<std::uint64_t>(params, 2));
        statuses[index] = made > 0 ? 0 : kCannotCompress;
        packed_sizes[index] = static_cast<std::size_t>(made);
    }
}

// Arguments: packed, packed sizes, capacities, sizes, count, temp, pages, statuses
template <Kind kKind>
void run_decompress(const gmemfs_lane *lane, void **params, Translate translate) {
    if (lane->thread_index != 0 || lane->block_index != 0) return;
    const auto *const packed = pointer<CUdeviceptr>(params, 0, translate);
    const auto *const packed_sizes = pointer<std::size_t>(params, 1, translate);
    const auto *const capacities = pointer<std::size_t>(params, 2, translate);
    auto *const sizes = pointer<std::size_t>(params, 3, translate);
    const auto count = argument<std::uint64_t>(params, 4);
    std::memset(pointer<char>(params, 5, translate), 0xa5, count * kTempPerPage);
    const auto *const pages = pointer<CUdeviceptr>(params, 6, translate);
    auto *const statuses = pointer<NvcompStatus>(params, 7, translate);
    for (std::uint64_t index = 0; index < count; ++index) {
        const long made = decompress_page(kKind, static_cast<const char *>(translate(packed[index])),
            packed_sizes[index], static_cast<char *>(translate(pages[index])), capacities[index]);
        statuses[index] = made < 0 ? kCannotDecompress : 0;
        sizes[index] = made < 0 ? 0 : static_cast<std::size_t>(made);
    }
}

NvcompStatus launch(const char *name, gmemfs_host_kernel run, CUstream stream, void **params) {
    if (simulator() == nullptr) return kCudaError;
    const auto offer = reinterpret_cast<gmemfs_offer_host_kernel>(::dlsym(simulator(), GMEMFS_OFFER_HOST_KERNEL));
    const auto load = reinterpret_cast<decltype(&cuModuleLoadData)>(::dlsym(simulator(), "cuModuleLoadData"));
    const auto find = reinterpret_cast<decltype(&cuModuleGetFunction)>(::dlsym(simulator(), "cuModuleGetFunction"));
    const auto unload = reinterpret_cast<decltype(&cuModuleUnload)>(::dlsym(simulator(), "cuModuleUnload"));
    const auto start = reinterpret_cast<decltype(&cuLaunchKernel)>(::dlsym(simulator(), "cuLaunchKernel"));
    const std::vector<unsigned> sizes(8, 8);
    CUmodule module = nullptr;
    CUfunction function = nullptr;
    if (offer(name, run, sizes.data(), 8) != 0 || load(&module, "simulated") != CUDA_SUCCESS) return kCudaError;
    const bool is_started = find(&function, module, name) == CUDA_SUCCESS &&
                            start(function, 1, 1, 1, 1, 1, 1, 0, stream, params, nullptr) == CUDA_SUCCESS;
    unload(module);
    return is_started ? 0 : kCudaError;
}

NvcompStatus compress(Kind kind, const void *const *pages, const std::size_t *sizes, std::size_t page_size,
    std::uint64_t count, void *temp, std::size_t temp_size, void *const *packed, std::size_t *packed_sizes,
    NvcompStatus *statuses, CUstream stream) {
    if (temp_size < count * kTempPerPage || count == 0) return kInvalidValue;
    std::uint64_t room = kind == Kind::lz4 ? static_cast<std::size_t>(LZ4_compressBound(static_cast<int>(page_size)))
                                           : ZSTD_compressBound(page_size);
    void *params[] = {&pages, &sizes, &room, &count, &temp, &packed, &packed_sizes, &statuses};
    return kind == Kind::lz4 ? launch("nvcomp_lz4_compress", run_compress<Kind::lz4>, stream, params)
                             : launch("nvcomp_zstd_compress", run_compress<Kind::zstd>, stream, params);
}

NvcompStatus decompress(Kind kind, const void *const *packed, const std::size_t *packed_sizes,
    const std::size_t *capacities, std::size_t *sizes, std::uint64_t count, void *temp, std::size_t temp_size,
    void *const *pages, const NvcompOptions &options, NvcompStatus *statuses, CUstream stream) {
    if (temp_size < count * kTempPerPage || count == 0 || options.words[0] != kNvcompBackendCuda) return kInvalidValue;
    void *params[] = {&packed, &packed_sizes, &capacities, &sizes, &count, &temp, &pages, &statuses};
    return kind == Kind::lz4 ? launch("nvcomp_lz4_decompress", run_decompress<Kind::lz4>, stream, params)
                             : launch("nvcomp_zstd_decompress", run_decompress<Kind::zstd>, stream, params);
}

} // namespace

#define EXPORT __attribute__((visibility("default")))
// Those of one algorithm, as nvcomp_api.hpp has their types.
#define CODEC(name, kind)                                                                                              \
    EXPORT NvcompStatus nvcompBatched##name##CompressGetTempSize(                                                      \
        std::size_t count, std::size_t, NvcompOptions, std::size_t *size, std::size_t, CUstream) {                     \
        *size = count * kTempPerPage;                                                                                  \
        return 0;                                                                                                      \
    }                                                                                                                  \
    EXPORT NvcompStatus nvcompBatched##name##DecompressGetTempSize(                                                    \
        std::size_t count, std::size_t, NvcompOptions, std::size_t *size, std::size_t, CUstream) {                     \
        *size = count * kTempPerPage;                                                                                  \
        return 0;                                                                                                      \
    }                                                                                                                  \
    EXPORT NvcompStatus nvcompBatched##name##CompressGetMaxOutputChunkSize(                                            \
        std::size_t page_size, NvcompOptions, std::size_t *bound) {                                                    \
        *bound = page_size;                                                                                            \
        return 0;                                                                                                      \
    }                                                                                                                  \
    EXPORT NvcompStatus nvcompBatched##name##CompressAsync(const void *const *pages, const std::size_t *sizes,         \
        std::size_t page_size, std::size_t count, void *temp, std::size_t temp_size, void *const *packed,              \
        std::size_t *packed_sizes, NvcompOptions, NvcompStatus *statuses, CUstream stream) {                           \
        return compress(                                                                                               \
            kind, pages, sizes, page_size, count, temp, temp_size, packed, packed_sizes, statuses, stream);            \
    }                                                                                                                  \
    EXPORT NvcompStatus nvcompBatched##name##DecompressAsync(const void *const *packed,                                \
        const std::size_t *packed_sizes, const std::size_t *capacities, std::size_t *sizes, std::size_t count,         \
        void *temp, std::size_t temp_size, void *const *pages, NvcompOptions options, NvcompStatus *statuses,          \
        CUstream stream) {                                                                                             \
        return decompress(                                                                                             \
            kind, packed, packed_sizes, capacities, sizes, count, temp, temp_size, pages, options, statuses, stream);  \
    }

extern "C" {
CODEC(LZ4, Kind::lz4)
CODEC(Zstd, Kind::zstd)

EXPORT NvcompStatus nvcompGetProperties(NvcompProperties *properties) {
    *properties = {6000, 13000};
    return 0;
}
EXPORT const char *nvcompGetStatusString(NvcompStatus) { return "a status of the simulated nvCOMP"; }
EXPORT extern const int gmemfs_simulated_nvcomp;
const int gmemfs_simulated_nvcomp = 1;
}
