// NvcompApi: what is called of nvCOMP's batched C interface, as version 6.0 has it; its headers aren't needed to build.
//
// The options of each algorithm are structs of 64 bytes that are passed by value. They differ in their fields alone, so
// that one declaration serves all: zeros are the defaults of LZ4 and zstd (characters, no bit shuffle). The first word
// of the decoders' is the back end, the second one of ANS's, both ways, is the type of data.
#pragma once

#include <cstddef>
#include <cstdint>
#include <cuda.h>

namespace gmemfs {

using NvcompStatus = int; ///< 0: success
inline constexpr int kNvcompBackendCuda =
    2; ///< its kernels, never the decompression engine, which needs memory of its own

/// nvCOMP's numbers of the types of data, for ANS.
enum class NvcompType : int {
    bytes = 0,
    fp8 = 9,    ///< E4M3
    half = 10,  ///< any floating-point type of 2 bytes
    single = 11 ///< IEEE 754's of 4 bytes
};

struct NvcompOptions {
    int words[16];
};
static_assert(sizeof(NvcompOptions) == 64);

struct NvcompProperties {
    std::uint32_t version; ///< 6000 is 6.0.0
    std::uint32_t runtime; ///< CUDA's, that it was built with
};

/// The same for LZ4, zstd and ANS. All arrays lie in device memory, and so does what they point to.
struct NvcompCodec {
    NvcompStatus (*compress_temp_size)(
        std::size_t count, std::size_t page_size, NvcompOptions, std::size_t *size, std::size_t total, CUstream);
    NvcompStatus (*compress_bound)(std::size_t page_size, NvcompOptions, std::size_t *bound);
    NvcompStatus (*compress)(const void *const *pages, const std::size_t *sizes, std::size_t page_size,
        std::size_t count, void *temp, std::size_t temp_size, void *const *packed, std::size_t *packed_sizes,
        NvcompOptions, NvcompStatus *statuses, CUstream);
    NvcompStatus (*decompress_temp_size)(
        std::size_t count, std::size_t page_size, NvcompOptions, std::size_t *size, std::size_t total, CUstream);
    NvcompStatus (*decompress)(const void *const *packed, const std::size_t *packed_sizes,
        const std::size_t *capacities, std::size_t *sizes, std::size_t count, void *temp, std::size_t temp_size,
        void *const *pages, NvcompOptions, NvcompStatus *statuses, CUstream);
};

} // namespace gmemfs
