#include "ecc/pack/tensor_types.hpp"

#include <nlohmann/json.hpp>

#include <algorithm>
#include <cstring>
#include <string>

namespace gmemfs {
namespace {

using nlohmann::json;

// F8_E5M2 has a byte, too, but nvCOMP's type of a byte is E4M3.
Codec codec_of(const std::string &dtype) {
    if (dtype == "F16" || dtype == "BF16") return Codec::ans_half;
    if (dtype == "F32") return Codec::ans_single;
    return dtype == "F8_E4M3" ? Codec::ans_fp8 : Codec::ans_bytes;
}

std::optional<std::uint64_t> whole_number(const json &value) {
    if (!value.is_number_unsigned()) return {};
    return value.get<std::uint64_t>();
}

} // namespace

std::optional<std::uint64_t> TensorTypes::header_length(
    std::span<const std::byte, kPrefix> prefix, std::uint64_t file_size) {
    std::uint64_t length = 0;
    std::memcpy(&length, prefix.data(), sizeof length);
    if (length < 2 || length > kHeaderMax || file_size < kPrefix || length > file_size - kPrefix) return {};
    return length;
}

TensorTypes::TensorTypes(std::span<const std::byte> header, std::uint64_t file_size) {
    const std::uint64_t data = kPrefix + header.size();
    if (header.empty() || header.front() != std::byte('{') || data > file_size) return;
    const auto *const text = reinterpret_cast<const char *>(header.data());
    const json parsed = json::parse(text, text + header.size(), nullptr, /*allow_exceptions=*/false);
    if (!parsed.is_object()) return;
    for (const json &tensor : parsed) {
        if (!tensor.is_object()) continue;
        const auto dtype = tensor.find("dtype"), offsets = tensor.find("data_offsets");
        if (dtype == tensor.end() || !dtype->is_string()) continue;
        if (offsets == tensor.end() || !offsets->is_array() || offsets->size() != 2) continue;
        const auto begin = whole_number((*offsets)[0]), end = whole_number((*offsets)[1]);
        if (!begin || !end || *begin >= *end || *end > file_size - data) continue;
        ranges_.push_back({data + *begin, data + *end, codec_of(dtype->get_ref<const std::string &>())});
    }
    if (!ranges_.empty()) ranges_.push_back({0, data, Codec::ans_bytes}); // the header itself
    std::ranges::sort(ranges_, {}, &Range::begin);
}

std::optional<Codec> TensorTypes::codec_at(std::uint64_t offset) const {
    const auto next = std::ranges::upper_bound(ranges_, offset, {}, &Range::begin);
    if (next == ranges_.begin() || offset >= std::prev(next)->end) return {};
    return std::prev(next)->codec;
}

} // namespace gmemfs
