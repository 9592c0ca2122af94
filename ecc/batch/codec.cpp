#include "ecc/batch/codec.hpp"

#include <lz4.h>
#include <zstd.h>

namespace gmemfs {
namespace {

constexpr int kZstdLevel = 1;    // the batch's pages are small, and their owners wait
constexpr int kAcceleration = 1; // LZ4_compress_default's

ZSTD_CCtx *encoder(void *context) { return static_cast<ZSTD_CCtx *>(context); }
ZSTD_DCtx *decoder(void *context) { return static_cast<ZSTD_DCtx *>(context); }

} // namespace

const char *name_of(Algorithm algorithm) { return algorithm == Algorithm::lz4 ? "lz4" : "zstd"; }

std::size_t packed_bound(Algorithm algorithm, std::size_t page_size) {
    GMEMFS_ASSERT(page_size > 0 && page_size <= kPageSizeMax);
    if (algorithm == Algorithm::zstd) return ZSTD_compressBound(page_size);
    return static_cast<std::size_t>(LZ4_compressBound(static_cast<int>(page_size)));
}

std::string codec_versions() {
    return std::string("liblz4 ") + LZ4_versionString() + ", libzstd " + ZSTD_versionString();
}

Result<PageCodec> PageCodec::create() {
    PageCodec codec;
    codec.lz4_ = LZ4_createStream();
    codec.encoder_ = ZSTD_createCCtx();
    codec.decoder_ = ZSTD_createDCtx();
    if (codec.lz4_ == nullptr || codec.encoder_ == nullptr || codec.decoder_ == nullptr)
        return Error{ENOMEM, 0, "make codec", "no host memory for its tables"};
    return codec;
}

PageCodec::~PageCodec() {
    LZ4_freeStream(static_cast<LZ4_stream_t *>(lz4_)); // all three take null
    ZSTD_freeCCtx(encoder(encoder_));
    ZSTD_freeDCtx(decoder(decoder_));
}

std::size_t PageCodec::encode(Algorithm algorithm, std::span<const std::byte> page, std::span<std::byte> to) {
    GMEMFS_ASSERT(to.size() >= packed_bound(algorithm, page.size()));
    if (algorithm == Algorithm::zstd) {
        const std::size_t size =
            ZSTD_compressCCtx(encoder(encoder_), to.data(), to.size(), page.data(), page.size(), kZstdLevel);
        GMEMFS_ASSERT(ZSTD_isError(size) == 0); // there is room, and the context is there
        return size;
    }
    const int size = LZ4_compress_fast_extState(lz4_, reinterpret_cast<const char *>(page.data()),
        reinterpret_cast<char *>(to.data()), static_cast<int>(page.size()), static_cast<int>(to.size()), kAcceleration);
    GMEMFS_ASSERT(size > 0);
    return static_cast<std::size_t>(size);
}

Result<void> PageCodec::decode(Algorithm algorithm, std::span<const std::byte> packed, std::span<std::byte> page) {
    GMEMFS_ASSERT(page.size() <= kPageSizeMax);
    if (algorithm == Algorithm::zstd) {
        const std::size_t size =
            ZSTD_decompressDCtx(decoder(decoder_), page.data(), page.size(), packed.data(), packed.size());
        if (ZSTD_isError(size) != 0) return Error{EBADMSG, 0, "unpack page", ZSTD_getErrorName(size)};
        if (size == page.size()) return {};
        return Error{EBADMSG, 0, "unpack page", "the zstd frame makes " + std::to_string(size) + " bytes"};
    }
    if (packed.size() > packed_bound(algorithm, kPageSizeMax))
        return Error{EBADMSG, 0, "unpack page", "no LZ4 block of a page is so long"};
    const int size = LZ4_decompress_safe(reinterpret_cast<const char *>(packed.data()),
        reinterpret_cast<char *>(page.data()), static_cast<int>(packed.size()), static_cast<int>(page.size()));
    if (size == static_cast<int>(page.size())) return {};
    return Error{EBADMSG, 0, "unpack page",
        size < 0 ? std::string("no LZ4 block of a page") : "the LZ4 block makes " + std::to_string(size) + " bytes"};
}

} // namespace gmemfs
