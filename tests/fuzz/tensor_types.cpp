// Fuzzer: the header of a .safetensors file, as a packer reads it of any file: whatever it says lies within the file.
#include "ecc/pack/tensor_types.hpp"
#include "vmm/base/result.hpp"

#include <algorithm>
#include <array>
#include <string>

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t *data, std::size_t size) {
    using namespace gmemfs;
    const auto bytes = std::as_bytes(std::span(data, size));
    if (size < TensorTypes::kPrefix) return 0;
    const auto length = TensorTypes::header_length(bytes.first<TensorTypes::kPrefix>(), size);
    GMEMFS_ASSERT(!length || *length <= size - TensorTypes::kPrefix);
    // The same as text that nearly is one.
    std::string text = R"({"a":{"dtype":"F16","shape":[2],"data_offsets":[0,)" + std::to_string(data[0]) + R"(]},"b":)";
    text.append(reinterpret_cast<const char *>(data) + 1, size - 1);
    if (data[0] % 2 == 0) text += "}";
    for (const std::string &header : {text, std::string(reinterpret_cast<const char *>(data), size)}) {
        const std::uint64_t file_size = TensorTypes::kPrefix + header.size() + 100;
        const TensorTypes types(std::as_bytes(std::span(header)), file_size);
        for (const std::uint64_t offset : {std::uint64_t(0), file_size - 101, file_size - 50, file_size - 1}) {
            const auto codec = types.codec_at(offset);
            GMEMFS_ASSERT(!codec || is_ans(*codec));
        }
        GMEMFS_ASSERT(types.codec_at(file_size - 101).value_or(Codec::ans_bytes) == Codec::ans_bytes); // the header
        GMEMFS_ASSERT(!types.codec_at(file_size) && !types.codec_at(UINT64_MAX));
    }
    return 0;
}
