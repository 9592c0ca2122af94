// Simulated nvCOMP: libnvcomp.so.6 for the simulator, by liblz4 and libzstd.
//
// Its ANS makes streams of its own: a header, and the planes of the values' bytes as a zstd frame. It fills all of the
// room that it is given.
//
// With it the GPU's way of docs/batch.md is tried where there is no GPU. As with nvCOMP, the work is queued on the
// stream, arrays lie in device memory, buffers must be aligned, and a stream that is no stream may do anything: here it
// ends the process.
//
// It is a library of its own, which finds the simulator by the name under which the program has loaded it.
#include "ecc/nvcomp/nvcomp_api.hpp"
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

enum class Kind { lz4, zstd, ans };
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

constexpr int kVersion = 6000;

struct AnsHeader {
    char magic[4];
    int version, type;
    unsigned size; // of the page
};
constexpr char kAnsMagic[4] = {'A', 'N', 'S', '!'};

std::size_t ans_bound(std::size_t page_size) { return page_size + page_size / 7 + 64; }
std::size_t width_of(int type) {
    if (type == static_cast<int>(NvcompType::single)) return 4;
    return type == static_cast<int>(NvcompType::half) ? 2 : 1;
}

int compress_ans(int type, const char *page, std::size_t size, char *to, std::size_t room) {
    const std::size_t width = width_of(type);
    if (size % width != 0) return 0;
    std::vector<char> planes(size);
    for (std::size_t at = 0; at < size; ++at) planes[at % width * (size / width) + at / width] = page[at];
    std::memset(to, 0xa5, room);
    AnsHeader header = {{}, kVersion, type, static_cast<unsigned>(size)};
    std::memcpy(header.magic, kAnsMagic, sizeof kAnsMagic);
    std::memcpy(to, &header, sizeof header);
    const std::size_t made = ZSTD_compress(to + sizeof header, room - sizeof header, planes.data(), size, 1);
    return ZSTD_isError(made) != 0 ? 0 : static_cast<int>(sizeof header + made);
}
long decompress_ans(int type, const char *packed, std::size_t packed_size, char *to, std::size_t room) {
    AnsHeader header = {};
    if (packed_size >= sizeof header) std::memcpy(&header, packed, sizeof header);
    if (std::memcmp(header.magic, kAnsMagic, sizeof kAnsMagic) != 0 || header.version != kVersion) {
        std::fprintf(stderr, "simulated nvCOMP: BUG: it was given what is no ANS stream of its version\n");
        std::abort();
    }
    if (header.type != type || header.size > room) return -1;
    const std::size_t size = header.size, width = width_of(type);
    std::vector<char> planes(size);
    if (ZSTD_decompress(planes.data(), size, packed + sizeof header, packed_size - sizeof header) != size) return -1;
    for (std::size_t at = 0; at < size; ++at) to[at] = planes[at % width * (size / width) + at / width];
    return static_cast<long>(size);
}

int compress_page(Kind kind, int type, const char *page, int size, char *to, std::size_t room) {
    if (kind == Kind::lz4) return LZ4_compress_default(page, to, size, static_cast<int>(room));
    if (kind == Kind::ans) return compress_ans(type, page, static_cast<std::size_t>(size), to, room);
    const std::size_t made = ZSTD_compress(to, room, page, static_cast<std::size_t>(size), 3);
    return ZSTD_isError(made) != 0 ? 0 : static_cast<int>(made);
}
// Bytes made; negative: no stream, or no room.
long decompress_page(Kind kind, int type, const char *packed, std::size_t size, char *to, std::size_t room) {
    if (kind == Kind::lz4) return LZ4_decompress_safe(packed, to, static_cast<int>(size), static_cast<int>(room));
    if (kind == Kind::ans) return decompress_ans(type, packed, size, to, room);
    const std::size_t made = ZSTD_decompress(to, room, packed, size);
    if (ZSTD_isError(made) == 0) return static_cast<long>(made);
    if (ZSTD_getFrameContentSize(packed, size) != ZSTD_CONTENTSIZE_ERROR) return -1;
    std::fprintf(stderr, "simulated nvCOMP: BUG: it was given what is no zstd frame\n");
    std::abort();
}

constexpr std::uint64_t kAlignment = 16; // ANS's, which is the strictest

// Arguments: pages, sizes, room, count, temp, packed, packed sizes, statuses, type
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
        if ((pages[index] | packed[index]) % kAlignment != 0) std::abort();
        const int made = compress_page(kKind, argument<int>(params, 8),
            static_cast<const char *>(translate(pages[index])), static_cast<int>(sizes[index]),
            static_cast<char *>(translate(packed[index])), argument<std::uint64_t>(params, 2));
        statuses[index] = made > 0 ? 0 : kCannotCompress;
        packed_sizes[index] = static_cast<std::size_t>(made);
    }
}

// Arguments: packed, packed sizes, capacities, sizes, count, temp, pages, statuses, type
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
        if ((pages[index] | packed[index]) % kAlignment != 0) std::abort();
        const long made =
            decompress_page(kKind, argument<int>(params, 8), static_cast<const char *>(translate(packed[index])),
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
    const std::vector<unsigned> sizes(9, 8);
    CUmodule module = nullptr;
    CUfunction function = nullptr;
    if (offer(name, run, sizes.data(), 9) != 0 || load(&module, "simulated") != CUDA_SUCCESS) return kCudaError;
    const bool is_started = find(&function, module, name) == CUDA_SUCCESS &&
                            start(function, 1, 1, 1, 1, 1, 1, 0, stream, params, nullptr) == CUDA_SUCCESS;
    unload(module);
    return is_started ? 0 : kCudaError;
}

std::uint64_t room_for(Kind kind, std::size_t page_size) {
    if (kind == Kind::ans) return ans_bound(page_size);
    return kind == Kind::lz4 ? static_cast<std::size_t>(LZ4_compressBound(static_cast<int>(page_size)))
                             : ZSTD_compressBound(page_size);
}

NvcompStatus compress(Kind kind, const void *const *pages, const std::size_t *sizes, std::size_t page_size,
    std::uint64_t count, void *temp, std::size_t temp_size, void *const *packed, std::size_t *packed_sizes,
    const NvcompOptions &options, NvcompStatus *statuses, CUstream stream) {
    if (temp_size < count * kTempPerPage || count == 0) return kInvalidValue;
    std::uint64_t room = room_for(kind, page_size), type = static_cast<std::uint64_t>(options.words[1]);
    void *params[] = {&pages, &sizes, &room, &count, &temp, &packed, &packed_sizes, &statuses, &type};
    if (kind == Kind::ans) return launch("nvcomp_ans_compress", run_compress<Kind::ans>, stream, params);
    return kind == Kind::lz4 ? launch("nvcomp_lz4_compress", run_compress<Kind::lz4>, stream, params)
                             : launch("nvcomp_zstd_compress", run_compress<Kind::zstd>, stream, params);
}

NvcompStatus decompress(Kind kind, const void *const *packed, const std::size_t *packed_sizes,
    const std::size_t *capacities, std::size_t *sizes, std::uint64_t count, void *temp, std::size_t temp_size,
    void *const *pages, const NvcompOptions &options, NvcompStatus *statuses, CUstream stream) {
    if (temp_size < count * kTempPerPage || count == 0 || options.words[0] != kNvcompBackendCuda) return kInvalidValue;
    std::uint64_t type = static_cast<std::uint64_t>(options.words[1]);
    void *params[] = {&packed, &packed_sizes, &capacities, &sizes, &count, &temp, &pages, &statuses, &type};
    if (kind == Kind::ans) return launch("nvcomp_ans_decompress", run_decompress<Kind::ans>, stream, params);
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
        *bound = kind == Kind::ans ? ans_bound(page_size) : page_size;                                                 \
        return 0;                                                                                                      \
    }                                                                                                                  \
    EXPORT NvcompStatus nvcompBatched##name##CompressAsync(const void *const *pages, const std::size_t *sizes,         \
        std::size_t page_size, std::size_t count, void *temp, std::size_t temp_size, void *const *packed,              \
        std::size_t *packed_sizes, NvcompOptions options, NvcompStatus *statuses, CUstream stream) {                   \
        return compress(                                                                                               \
            kind, pages, sizes, page_size, count, temp, temp_size, packed, packed_sizes, options, statuses, stream);   \
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
CODEC(ANS, Kind::ans)

EXPORT NvcompStatus nvcompGetProperties(NvcompProperties *properties) {
    *properties = {kVersion, 13000};
    return 0;
}
EXPORT const char *nvcompGetStatusString(NvcompStatus) { return "a status of the simulated nvCOMP"; }
EXPORT extern const int gmemfs_simulated_nvcomp;
const int gmemfs_simulated_nvcomp = 1;
}
