// PageCodec: packs one page by liblz4 or libzstd, as a standard stream.
#pragma once

#include "vmm/base/result.hpp"
#include "vmm/base/units.hpp"

#include <cstddef>
#include <span>
#include <utility>

namespace gmemfs {

enum class Algorithm : int {
    lz4 = 1,  ///< a block of the LZ4 block format, without a size before it
    zstd = 2, ///< a frame, level 1
};
inline constexpr Algorithm kAlgorithms[] = {Algorithm::lz4, Algorithm::zstd};
const char *name_of(Algorithm algorithm);

inline constexpr std::size_t kPageSizeMax = 1 * MiB;

/// No page of this size packs to more bytes, by whichever back end.
std::size_t packed_bound(Algorithm algorithm, std::size_t page_size);

/// "liblz4 1.9.4, libzstd 1.5.4": those that are loaded.
std::string codec_versions();

/// What one thread needs to pack and unpack. Move-only. Not thread-safe.
class PageCodec {
public:
    /// ENOMEM.
    static Result<PageCodec> create();
    PageCodec(PageCodec &&other) noexcept
        : lz4_(std::exchange(other.lz4_, nullptr)), encoder_(std::exchange(other.encoder_, nullptr)),
          decoder_(std::exchange(other.decoder_, nullptr)) {}
    PageCodec &operator=(PageCodec &&) = delete;
    PageCodec(const PageCodec &) = delete;
    PageCodec &operator=(const PageCodec &) = delete;
    ~PageCodec();

    /// The stream's size. `to` has packed_bound() bytes, and `page` 1 to kPageSizeMax.
    std::size_t encode(Algorithm algorithm, std::span<const std::byte> page, std::span<std::byte> to);
    /// Takes any bytes. EBADMSG: they are no stream that makes exactly this page; the page holds anything then.
    Result<void> decode(Algorithm algorithm, std::span<const std::byte> packed, std::span<std::byte> page);

private:
    PageCodec() = default;

    void *lz4_ = nullptr;     // LZ4_stream_t
    void *encoder_ = nullptr; // ZSTD_CCtx
    void *decoder_ = nullptr; // ZSTD_DCtx
};

} // namespace gmemfs
