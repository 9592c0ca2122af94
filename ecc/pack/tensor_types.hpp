// TensorTypes: of what types the bytes of a .safetensors file are, as its header says.
//
//     8 bytes    length of the header, little-endian
//     header     JSON: {"NAME": {"dtype": "F16", "shape": [..], "data_offsets": [begin, end]}, ...}
//     data       the tensors' bytes; offsets count from here
//
// It is a hint for who chooses codecs, which are right for any bytes. So nothing here is an error: what is no such
// header, or contradicts itself, says nothing.
#pragma once

#include "ecc/pack/chunk.hpp"

#include <cstddef>
#include <cstdint>
#include <optional>
#include <span>
#include <vector>

namespace gmemfs {

/// A value. Immutable once it is made, and so thread-safe.
class TensorTypes {
public:
    static constexpr std::uint64_t kPrefix = 8;                         ///< bytes that tell the header's length
    static constexpr std::uint64_t kHeaderMax = std::uint64_t(8) << 20; ///< bytes; 60,000 tensors have so much

    /// The header's length, where these first bytes of a file of that size may begin one.
    static std::optional<std::uint64_t> header_length(
        std::span<const std::byte, kPrefix> prefix, std::uint64_t file_size);

    TensorTypes() = default; ///< of a file that has no such header
    /// `header` without the prefix.
    TensorTypes(std::span<const std::byte> header, std::uint64_t file_size);

    bool is_empty() const { return ranges_.empty(); }
    /// nvCOMP's codec for the type at this byte of the file, where there is a tensor or the header.
    std::optional<Codec> codec_at(std::uint64_t offset) const;

private:
    struct Range {
        std::uint64_t begin, end; // bytes of the file
        Codec codec;
    };
    std::vector<Range> ranges_; // by their begin
};

} // namespace gmemfs
