#include "ecc/pack/processor_work.hpp"

#include <algorithm>
#include <lz4.h>
#include <string>
#include <zstd.h>

namespace gmemfs {
namespace {

constexpr int kZstdLevel = 1; // as nvCOMP has it: whoever waits for a file doesn't wait for the last percent

Error about_chunk(int code, const char *doing, std::uint64_t chunk, const char *detail) {
    return {code, 0, doing, "chunk " + std::to_string(chunk) + ": " + detail};
}
bool is_stream(Codec codec) { return codec == Codec::lz4 || codec == Codec::zstd; }

} // namespace

std::size_t encode_stream(Codec codec, std::span<const std::byte> plain, std::span<std::byte> to) {
    const std::size_t room = std::min<std::size_t>(to.size(), kPackedMax);
    if (codec == Codec::zstd) {
        const std::size_t size = ZSTD_compress(to.data(), room, plain.data(), plain.size(), kZstdLevel);
        return ZSTD_isError(size) != 0 ? 0 : size;
    }
    GMEMFS_ASSERT(codec == Codec::lz4);
    return static_cast<std::size_t>(LZ4_compress_default(reinterpret_cast<const char *>(plain.data()),
        reinterpret_cast<char *>(to.data()), static_cast<int>(plain.size()), static_cast<int>(room)));
}

bool decode_stream(Codec codec, std::span<const std::byte> packed, std::span<std::byte> plain) {
    if (codec == Codec::zstd)
        return ZSTD_decompress(plain.data(), plain.size(), packed.data(), packed.size()) == plain.size();
    GMEMFS_ASSERT(codec == Codec::lz4);
    return LZ4_decompress_safe(reinterpret_cast<const char *>(packed.data()), reinterpret_cast<char *>(plain.data()),
               static_cast<int>(packed.size()), static_cast<int>(plain.size())) == static_cast<int>(plain.size());
}

Result<void> ProcessorWork::download(std::span<std::byte> to, CUdeviceptr from) {
    TRY(device_.check(
        device_.driver().cuMemcpyDtoHAsync(to.data(), from, to.size(), stream_), "read chunk for a processor"));
    return device_.check(device_.driver().cuStreamSynchronize(stream_), "wait for a chunk");
}

Result<void> ProcessorWork::upload(CUdeviceptr to, std::span<const std::byte> from) {
    TRY(device_.check(
        device_.driver().cuMemcpyHtoDAsync(to, from.data(), from.size(), stream_), "write chunk of a processor"));
    return device_.check(device_.driver().cuStreamSynchronize(stream_), "wait for a chunk");
}

Result<void> ProcessorWork::plan(const Chunks &chunks, std::span<ImageEntry> entries, PackBy by, const TensorTypes &) {
    GMEMFS_ASSERT(by == PackBy::lz4 || by == PackBy::zstd);
    const Codec codec = by == PackBy::lz4 ? Codec::lz4 : Codec::zstd;
    for (std::uint64_t index = 0; index < entries.size(); ++index) {
        const Codec own = entries[index].codec();
        if (own == Codec::zero || own == Codec::fill) continue;
        TRY(download(plain_, chunks.plain + index * kChunk));
        const std::size_t size = encode_stream(codec, plain_, packed_);
        if (size != 0 && size < entries[index].length())
            entries[index].packed = ImageEntry::pack(codec, static_cast<std::uint32_t>(size));
    }
    return {};
}

Result<void> ProcessorWork::encode(const Chunks &chunks, std::span<const ImageEntry> entries, CUdeviceptr) {
    for (std::uint64_t index = 0; index < entries.size(); ++index) {
        const ImageEntry &entry = entries[index];
        if (!is_stream(entry.codec())) continue;
        TRY(download(plain_, chunks.plain + index * kChunk));
        const auto stream = std::span(packed_).first(entry.length());
        if (encode_stream(entry.codec(), plain_, packed_) != entry.length())
            return about_chunk(EIO, "pack", chunks.first + index, "it is another one than for the plan");
        if (!decode_stream(entry.codec(), stream, again_) || again_ != plain_)
            return about_chunk(EIO, "compare packed image", chunks.first + index, "it isn't what it was made from");
        TRY(upload(chunks.image + entry.offset(), stream));
    }
    return {};
}

Result<void> ProcessorWork::decode(const Chunks &chunks, std::span<const ImageEntry> entries) {
    return unpack(chunks, entries, Target::device);
}
Result<void> ProcessorWork::prove(const Chunks &chunks, std::span<const ImageEntry> entries) {
    return unpack(chunks, entries, Target::none);
}

Result<void> ProcessorWork::unpack(const Chunks &chunks, std::span<const ImageEntry> entries, Target target) {
    for (std::uint64_t index = 0; index < entries.size(); ++index) {
        const ImageEntry &entry = entries[index];
        if (!is_stream(entry.codec())) continue;
        const auto stream = std::span(packed_).first(entry.length());
        TRY(download(stream, chunks.image + entry.offset()));
        if (!decode_stream(entry.codec(), stream, plain_))
            return about_chunk(EBADMSG, "decode packed image", chunks.first + index, "its bytes contradict themselves");
        if (target == Target::device) TRY(upload(chunks.plain + index * kChunk, plain_));
    }
    return {};
}

} // namespace gmemfs
