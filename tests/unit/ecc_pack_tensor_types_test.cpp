// Unit tests: what the header of a .safetensors file says of the types of its bytes.
#include "ecc/pack/tensor_types.hpp"

#include <array>
#include <cstring>
#include <gtest/gtest.h>
#include <string>

namespace gmemfs {
namespace {

TensorTypes types_of(const std::string &header, std::uint64_t data_size) {
    return {std::as_bytes(std::span(header)), TensorTypes::kPrefix + header.size() + data_size};
}

TEST(TensorTypes, EachTensorsTypeIsFoundWhereItsBytesLie) {
    const std::string header = R"({"__metadata__":{"format":"pt"},)"
                               R"("b":{"dtype":"F32","shape":[5],"data_offsets":[10,30]},)"
                               R"("a":{"dtype":"BF16","shape":[5],"data_offsets":[0,10]},)"
                               R"("c":{"dtype":"F8_E4M3","shape":[4],"data_offsets":[30,34]},)"
                               R"("d":{"dtype":"I64","shape":[1],"data_offsets":[34,42]},)"
                               R"("e":{"dtype":"F16","shape":[0],"data_offsets":[42,42]},)"
                               R"("f":{"dtype":"F16","shape":[1],"data_offsets":[42,44]},)"
                               R"("g":{"dtype":"F8_E5M2","shape":[1],"data_offsets":[44,45]}}  )";
    const TensorTypes types = types_of(header, 45);
    const std::uint64_t data = TensorTypes::kPrefix + header.size();
    const std::pair<std::uint64_t, Codec> wanted[] = {{0, Codec::ans_half}, {9, Codec::ans_half},
        {10, Codec::ans_single}, {29, Codec::ans_single}, {30, Codec::ans_fp8}, {33, Codec::ans_fp8},
        {34, Codec::ans_bytes}, {41, Codec::ans_bytes}, {42, Codec::ans_half}, {44, Codec::ans_bytes}};
    for (const auto &[offset, codec] : wanted) EXPECT_EQ(types.codec_at(data + offset), codec) << offset;
    EXPECT_EQ(types.codec_at(0), Codec::ans_bytes) << "the header";
    EXPECT_EQ(types.codec_at(data - 1), Codec::ans_bytes);
    EXPECT_FALSE(types.codec_at(data + 45)) << "past the end";
}

TEST(TensorTypes, WhatIsNoHeaderSaysNothing) {
    for (const std::string header :
        {"", "{", "{}", "[]", "null", "xx", R"({"a":1})", R"({"a":{}})", R"({"a":{"dtype":"F16"}})",
            R"({"a":{"dtype":7,"data_offsets":[0,9]}})", R"({"a":{"dtype":"F16","data_offsets":[0]}})",
            R"({"a":{"dtype":"F16","data_offsets":[0,-9]}})", R"({"a":{"dtype":"F16","data_offsets":[0,9.5]}})",
            R"({"a":{"dtype":"F16","data_offsets":["0","9"]}})", R"({"a":{"dtype":"F16","data_offsets":[9,9]}})",
            R"({"a":{"dtype":"F16","data_offsets":[9,2]}})", R"({"a":{"dtype":"F16","data_offsets":[0,101]}})",
            R"({"a":{"dtype":"F16","data_offsets":[0,18446744073709551615]}})",
            R"({"a":{"dtype":"F16","data_offsets":[18446744073709551615,3]}})", "{\"\xff\":{}}"})
        EXPECT_TRUE(types_of(header, 100).is_empty()) << header;
    EXPECT_TRUE(types_of(std::string(100000, '['), 100).is_empty());
    std::string deep = R"({"a":)";
    for (int level = 0; level < 100000; ++level) deep += R"({"a":)";
    EXPECT_TRUE(types_of(deep, 100).is_empty());
    // What is wrong with one says nothing of another.
    EXPECT_FALSE(types_of(R"({"a":5,"b":{"dtype":"F16","data_offsets":[0,9]}})", 100).is_empty());
}

TEST(TensorTypes, TheLengthOfAHeaderIsBounded) {
    const auto length = [](std::uint64_t says, std::uint64_t file_size) {
        std::array<std::byte, TensorTypes::kPrefix> prefix;
        std::memcpy(prefix.data(), &says, sizeof says);
        return TensorTypes::header_length(prefix, file_size);
    };
    EXPECT_EQ(length(100, 108), 100U);
    EXPECT_FALSE(length(100, 107)) << "longer than the file";
    EXPECT_FALSE(length(0, 100));
    EXPECT_FALSE(length(UINT64_MAX, UINT64_MAX));
    EXPECT_EQ(length(TensorTypes::kHeaderMax, UINT64_MAX), TensorTypes::kHeaderMax);
    EXPECT_FALSE(length(TensorTypes::kHeaderMax + 1, UINT64_MAX));
    EXPECT_FALSE(length(2, 7));
}

} // namespace
} // namespace gmemfs
