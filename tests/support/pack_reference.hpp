// Pack reference: packed chunks and images made and read value by value, from docs/formats.md and not from the kernels;
// and plain bytes of many kinds.
#pragma once

#include "ecc/pack/image.hpp"
#include "vmm/base/random.hpp"

#include <cstdint>
#include <optional>
#include <span>
#include <string>
#include <vector>

namespace gmemfs::test {

using Bytes = std::vector<std::uint8_t>;

struct PackedChunk {
    Codec codec;
    Bytes bytes;
};

/// Bit by bit.
std::uint32_t reference_crc32c(std::span<const std::uint8_t> bytes);

/// The codec is the caller's choice, and no foreign one; bf16 and fp32 have the 7 exponents that are the commonest in
/// all of the chunk.
PackedChunk reference_encode(std::span<const std::uint8_t> plain, Codec codec);
/// Nothing: no such chunk. It demands all that the format says.
std::optional<Bytes> reference_decode(const PackedChunk &chunk);

/// A whole image.
Bytes reference_image(std::span<const PackedChunk> chunks, std::uint64_t plain_size);
/// The packed bytes of each chunk of an image, whose header, table and gaps are as the format says; nothing where they
/// aren't.
std::optional<std::vector<PackedChunk>> reference_take_apart(std::span<const std::uint8_t> image);

/// A kind of plain bytes: its name, and what it must be packed by (nothing: whatever is best).
struct PlainKind {
    std::string name;
    std::optional<Codec> codec;
    Bytes (*make)(Random &random, std::size_t size);
};
std::span<const PlainKind> plain_kinds();

/// Values with a normal distribution, as weights have it.
Bytes normal_bf16(Random &random, std::size_t size, double deviation);
Bytes normal_fp32(Random &random, std::size_t size, double deviation);

} // namespace gmemfs::test
