// Chunk: how 128 KiB of a file are packed (docs/formats.md has the format). Numbers alone, for kernels and the host.
//
// A floating-point chunk is taken apart: what a value's exponent isn't goes to rest planes as it is. Its exponent
// becomes a code of 3 bits, which names one of the chunk's 7 commonest exponents, or says that the exponent is one of
// the escapes, in order. Codes are stored as 3 planes of bits, so 8 values take a byte of each. A group is 512 values;
// its start says how many escapes come before it: so any group can be decoded by itself.
//
// Others' codecs are foreign: kernels pass over such chunks (ecc/pack/foreign_work.hpp). LZ4 and zstd make standard
// streams. What nvCOMP's ANS codec packs is nvCOMP's own format, which its version alone can read: so it stays in
// memory, and goes to no disk.
#pragma once

#include "ecc/lane.hpp"

namespace gmemfs {

inline constexpr uint32_t kChunk = 128 * 1024; ///< bytes of a file
inline constexpr uint32_t kPlaceUnit = 64;     ///< bytes; where packed chunks begin
/// Of a chunk that isn't raw. Where less than 3 % is saved, it is raw.
inline constexpr uint32_t kPackedMax = kChunk - kChunk * 3 / 100 - 1;

enum class Codec : uint8_t { zero, fill, raw, bf16, fp32, ans_bytes, ans_fp8, ans_half, ans_single, lz4, zstd };
inline constexpr unsigned kCodecs = 11;
GPU_CONSTANT bool is_foreign(Codec codec) { return codec >= Codec::ans_bytes; }
GPU_CONSTANT bool is_ans(Codec codec) { return codec >= Codec::ans_bytes && codec <= Codec::ans_single; }

/// What an image's table says of one chunk.
struct ImageEntry {
    uint32_t place;    ///< in units of kPlaceUnit, from the image's start
    uint32_t packed;   ///< bits 0 to 23: the length in bytes; 24 to 31: the codec
    uint32_t checksum; ///< CRC32C of the packed bytes
    uint32_t zero;

    GPU_CONSTANT uint32_t length() const { return packed & 0xffffff; }
    GPU_CONSTANT Codec codec() const { return static_cast<Codec>(packed >> 24); }
    GPU_CONSTANT uint64_t offset() const { return uint64_t(place) * kPlaceUnit; }
    static GPU_CONSTANT uint32_t pack(Codec codec, uint32_t length) { return uint32_t(codec) << 24 | length; }
};
static_assert(sizeof(ImageEntry) == 16);

/// What decodes a floating-point chunk, between its planes and its escapes.
struct alignas(16) Book {
    uint32_t exponents[2]; ///< those of codes 0 to 6, a byte each; the last byte is 0
    uint32_t escape_count;
    uint32_t zero;
};

inline constexpr unsigned kGroup = 512; ///< values

/// Where what lies in a packed chunk of values of `kSize` bytes: 2 for bf16, 4 for fp32. Bytes from its start.
template <unsigned kSize>
struct FloatLayout {
    static constexpr uint32_t kValues = kChunk / kSize;
    static constexpr uint32_t kRestPlanes = kSize - 1; ///< of kValues bytes each
    static constexpr uint32_t kCodes = kRestPlanes * kValues;
    static constexpr uint32_t kCodePlane = kValues / 8; ///< bytes of each of the 3
    static constexpr uint32_t kStarts = kCodes + 3 * kCodePlane;
    static constexpr uint32_t kGroups = kValues / kGroup;
    static constexpr uint32_t kBook = kStarts + 2 * kGroups;
    static constexpr uint32_t kEscapes = kBook + sizeof(Book);
    static constexpr Codec kCodec = kSize == 2 ? Codec::bf16 : Codec::fp32;
};

/// The shortest chunk of a codec, and the longest.
GPU_CONSTANT uint32_t shortest_of(Codec codec) {
    switch (codec) {
    case Codec::zero: return 0;
    case Codec::fill: return 4;
    case Codec::raw: return kChunk;
    case Codec::bf16: return FloatLayout<2>::kEscapes;
    case Codec::fp32: return FloatLayout<4>::kEscapes;
    case Codec::ans_bytes:
    case Codec::ans_fp8:
    case Codec::ans_half:
    case Codec::ans_single:
    case Codec::lz4:
    case Codec::zstd: return 1;
    }
    return kChunk;
}
GPU_CONSTANT uint32_t longest_of(Codec codec) {
    return codec == Codec::bf16 || codec == Codec::fp32 || is_foreign(codec) ? kPackedMax : shortest_of(codec);
}

/// What kernels found wrong, each the lowest number of such a chunk; kNoChunk: none.
struct PackFindings {
    static constexpr uint64_t kNoChunk = ~uint64_t{0};
    uint64_t checksum_wrong;
    uint64_t malformed; ///< the packed bytes contradict themselves
    uint64_t different; ///< from the plain bytes
};

} // namespace gmemfs
