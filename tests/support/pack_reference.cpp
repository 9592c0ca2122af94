#include "tests/support/pack_reference.hpp"

#include <algorithm>
#include <array>
#include <cmath>
#include <cstring>
#include <numeric>

namespace gmemfs::test {
namespace {

std::size_t value_size(Codec codec) { return codec == Codec::bf16 ? 2 : 4; }

// Of value n: the exponent, and its other bytes as the rest planes have them.
struct Value {
    std::uint8_t exponent;
    std::array<std::uint8_t, 3> rest;
};
Value value_at(std::span<const std::uint8_t> plain, std::size_t size, std::size_t n) {
    const std::uint8_t *const at = plain.data() + n * size;
    const std::uint8_t mantissa = at[size - 2] & 127, sign = at[size - 1] >> 7;
    Value value{static_cast<std::uint8_t>(at[size - 1] << 1 | at[size - 2] >> 7), {}};
    for (std::size_t byte = 0; byte + 2 < size; ++byte) value.rest.at(byte) = at[byte];
    value.rest.at(size - 2) = static_cast<std::uint8_t>(mantissa << 1 | sign);
    return value;
}
void put_value(std::uint8_t *at, std::size_t size, const Value &value) {
    for (std::size_t byte = 0; byte + 2 < size; ++byte) at[byte] = value.rest.at(byte);
    const std::uint8_t rest = value.rest.at(size - 2);
    at[size - 2] = static_cast<std::uint8_t>(rest >> 1 | value.exponent << 7);
    at[size - 1] = static_cast<std::uint8_t>(value.exponent >> 1 | rest << 7);
}

void put(Bytes &to, std::uint64_t number, std::size_t size) {
    for (std::size_t byte = 0; byte < size; ++byte) to.push_back(static_cast<std::uint8_t>(number >> 8 * byte));
}
std::uint64_t get(std::span<const std::uint8_t> from, std::size_t at, std::size_t size) {
    std::uint64_t number = 0;
    for (std::size_t byte = 0; byte < size; ++byte) number |= std::uint64_t{from[at + byte]} << 8 * byte;
    return number;
}

PackedChunk encode_float(std::span<const std::uint8_t> plain, Codec codec) {
    const std::size_t size = value_size(codec), values = kChunk / size;
    std::array<unsigned, 256> counts{};
    for (std::size_t n = 0; n < values; ++n) ++counts[value_at(plain, size, n).exponent];
    std::array<std::uint8_t, 256> order;
    std::iota(order.begin(), order.end(), std::uint8_t{0});
    std::ranges::stable_sort(order, [&](std::uint8_t one, std::uint8_t other) { return counts[one] > counts[other]; });
    std::array<std::uint8_t, 8> book{};
    for (unsigned code = 0; code < 7; ++code)
        if (counts[order[code]] != 0) book[code] = order[code];

    Bytes rest(values * (size - 1)), planes(values / 8 * 3), escapes;
    std::vector<std::size_t> starts;
    for (std::size_t n = 0; n < values; ++n) {
        if (n % 512 == 0) starts.push_back(escapes.size());
        const Value value = value_at(plain, size, n);
        for (std::size_t plane = 0; plane < size - 1; ++plane) rest[plane * values + n] = value.rest.at(plane);
        const auto code = std::find(book.begin(), book.begin() + 7, value.exponent) - book.begin();
        for (std::size_t plane = 0; plane < 3; ++plane)
            planes[plane * values / 8 + n / 8] |= static_cast<std::uint8_t>((code >> plane & 1) << n % 8);
        if (code == 7) escapes.push_back(value.exponent);
    }
    Bytes bytes = rest;
    bytes.insert(bytes.end(), planes.begin(), planes.end());
    for (const std::size_t start : starts) put(bytes, start, 2);
    bytes.insert(bytes.end(), book.begin(), book.end());
    put(bytes, escapes.size(), 4);
    put(bytes, 0, 4);
    bytes.insert(bytes.end(), escapes.begin(), escapes.end());
    return {codec, bytes};
}

std::optional<Bytes> decode_float(const PackedChunk &chunk) {
    const std::size_t size = value_size(chunk.codec), values = kChunk / size;
    const std::size_t planes = values * (size - 1), starts = planes + values / 8 * 3, book = starts + values / 512 * 2;
    const std::size_t escapes = book + 16;
    const Bytes &bytes = chunk.bytes;
    if (bytes.size() < escapes || bytes.size() > kChunk - (kChunk * 3 + 99) / 100) return {};
    if (get(bytes, book + 8, 4) != bytes.size() - escapes || get(bytes, book + 12, 4) != 0 || bytes[book + 7] != 0)
        return {};
    Bytes plain(kChunk);
    std::size_t next = escapes;
    for (std::size_t n = 0; n < values; ++n) {
        if (n % 512 == 0 && get(bytes, starts + n / 512 * 2, 2) != next - escapes) return {};
        unsigned code = 0;
        for (std::size_t plane = 0; plane < 3; ++plane)
            code |= (bytes[planes + plane * values / 8 + n / 8] >> n % 8 & 1U) << plane;
        Value value{};
        if (code == 7 && next == bytes.size()) return {};
        value.exponent = code == 7 ? bytes[next++] : bytes[book + code];
        for (std::size_t plane = 0; plane < size - 1; ++plane) value.rest.at(plane) = bytes[plane * values + n];
        put_value(plain.data() + n * size, size, value);
    }
    if (next != bytes.size()) return {};
    return plain;
}

double normal(Random &random) { // the sum of 12 uniform ones has a tail that is too short: Box and Muller's
    const double one = (double(random.next() >> 11) + 1) / 9007199254740992.0;
    const double two = double(random.next() >> 11) / 9007199254740992.0;
    return std::sqrt(-2 * std::log(one)) * std::cos(6.283185307179586 * two);
}
std::uint32_t bits_of(double value) {
    const auto single = static_cast<float>(value);
    std::uint32_t bits = 0;
    std::memcpy(&bits, &single, sizeof bits);
    return bits;
}
template <typename Make>
Bytes values_of(std::size_t size, std::size_t value_size, const Make &make) {
    Bytes bytes;
    while (bytes.size() < size) put(bytes, make(), value_size);
    bytes.resize(size);
    return bytes;
}
std::uint32_t to_bf16(std::uint32_t bits) { return (bits + 0x7fff + (bits >> 16 & 1)) >> 16; }

constexpr std::string_view kText = "Cold files: how bytes shrink in place, and come back; who writes wakes them. ";

} // namespace

std::uint32_t reference_crc32c(std::span<const std::uint8_t> bytes) {
    std::uint32_t crc = ~0U;
    for (const std::uint8_t byte : bytes) {
        crc ^= byte;
        for (unsigned bit = 0; bit < 8; ++bit) crc = (crc & 1) != 0 ? crc >> 1 ^ 0x82f63b78 : crc >> 1;
    }
    return ~crc;
}

PackedChunk reference_encode(std::span<const std::uint8_t> plain, Codec codec) {
    GMEMFS_ASSERT(plain.size() == kChunk);
    switch (codec) {
    case Codec::zero: return {codec, {}};
    case Codec::fill: return {codec, Bytes(plain.begin(), plain.begin() + 4)};
    case Codec::raw: return {codec, Bytes(plain.begin(), plain.end())};
    default: GMEMFS_ASSERT(!is_foreign(codec)); return encode_float(plain, codec);
    }
}

std::optional<Bytes> reference_decode(const PackedChunk &chunk) {
    switch (chunk.codec) {
    case Codec::zero: return chunk.bytes.empty() ? std::optional(Bytes(kChunk)) : std::nullopt;
    case Codec::fill: {
        if (chunk.bytes.size() != 4) return {};
        Bytes plain(kChunk);
        for (std::size_t n = 0; n < plain.size(); ++n) plain[n] = chunk.bytes[n % 4];
        return plain;
    }
    case Codec::raw: return chunk.bytes.size() == kChunk ? std::optional(chunk.bytes) : std::nullopt;
    case Codec::bf16:
    case Codec::fp32: return decode_float(chunk);
    default: return {}; // nvCOMP's
    }
}

Bytes reference_image(std::span<const PackedChunk> chunks, std::uint64_t plain_size) {
    Bytes table, body;
    const std::size_t front = (64 + 16 * chunks.size() + 63) / 64 * 64;
    for (const PackedChunk &chunk : chunks) {
        put(table, (front + body.size()) / 64, 4);
        put(table, chunk.bytes.size() | std::uint64_t(chunk.codec) << 24, 4);
        put(table, reference_crc32c(chunk.bytes), 4);
        put(table, 0, 4);
        body.insert(body.end(), chunk.bytes.begin(), chunk.bytes.end());
        body.resize((body.size() + 63) / 64 * 64);
    }
    Bytes image = {'G', 'M', 'E', 'M', 'P', 'A', 'K', '1'};
    put(image, plain_size, 8);
    put(image, front + body.size(), 8);
    put(image, chunks.size(), 4);
    put(image, reference_crc32c(table), 4);
    image.resize(60);
    put(image, reference_crc32c(image), 4);
    image.insert(image.end(), table.begin(), table.end());
    image.resize(front);
    image.insert(image.end(), body.begin(), body.end());
    return image;
}

std::optional<std::vector<PackedChunk>> reference_take_apart(std::span<const std::uint8_t> image) {
    if (image.size() < 64) return {};
    const std::uint64_t plain_size = get(image, 8, 8), size = get(image, 16, 8), count = get(image, 24, 4);
    if (size > image.size() || 64 + count * 16 > size) return {};
    std::vector<PackedChunk> chunks;
    for (std::size_t n = 0; n < count; ++n) {
        const std::size_t entry = 64 + n * 16, length = get(image, entry + 4, 3);
        const std::uint64_t offset = get(image, entry, 4) * 64;
        if (offset + length > size || image[entry + 7] > 4) return {};
        const auto bytes = image.subspan(offset, length);
        chunks.push_back({Codec{image[entry + 7]}, Bytes(bytes.begin(), bytes.end())});
    }
    // Whatever else there is: the same chunks make the same image, to the byte.
    const Bytes again = reference_image(chunks, plain_size);
    if (again.size() != size || !std::ranges::equal(again, image.first(size))) return {};
    return chunks;
}

Bytes normal_bf16(Random &random, std::size_t size, double deviation) {
    return values_of(size, 2, [&] { return to_bf16(bits_of(normal(random) * deviation)); });
}
Bytes normal_fp32(Random &random, std::size_t size, double deviation) {
    return values_of(size, 4, [&] { return bits_of(normal(random) * deviation); });
}

std::span<const PlainKind> plain_kinds() {
    static const PlainKind kKinds[] = {
        {"zeros", Codec::zero, [](Random &, std::size_t size) { return Bytes(size); }},
        {"one word", Codec::fill,
            [](Random &, std::size_t size) { return values_of(size, 4, [] { return 0xdeadbeef; }); }},
        {"bf16 of 0.02", Codec::bf16, [](Random &random, std::size_t size) { return normal_bf16(random, size, 0.02); }},
        {"bf16 of 1000", Codec::bf16, [](Random &random, std::size_t size) { return normal_bf16(random, size, 1000); }},
        {"bf16 of 1e-37", Codec::bf16,
            [](Random &random, std::size_t size) { return normal_bf16(random, size, 1e-37); }},
        {"fp32 of 0.02", Codec::fp32, [](Random &random, std::size_t size) { return normal_fp32(random, size, 0.02); }},
        {"fp32 of 1e30", Codec::fp32, [](Random &random, std::size_t size) { return normal_fp32(random, size, 1e30); }},
        {"bf16, half of it zeros", Codec::bf16,
            [](Random &random, std::size_t size) {
                return values_of(
                    size, 2, [&] { return random.below(2) == 0 ? 0 : to_bf16(bits_of(normal(random) * 0.02)); });
            }},
        {"bf16, one exponent", Codec::bf16,
            [](Random &random, std::size_t size) {
                return values_of(size, 2, [&] { return (random.next() & 0x807f) | 0x3f80; });
            }},
        {"fp32, most of it zeros", std::nullopt,
            [](Random &random, std::size_t size) {
                return values_of(size, 4,
                    [&] { return random.below(20) != 0 ? 0 : bits_of(normal(random)) ^ (random.next() & 0x7fffff); });
            }},
        {"bf16, many escapes", Codec::bf16,
            [](Random &random, std::size_t size) { // half of the values have one of 7 exponents, half any
                return values_of(size, 2, [&] {
                    const std::uint64_t bits = random.next();
                    return random.below(2) == 0 ? bits : (bits & 0x807f) | (0x70 + random.below(7)) << 7;
                });
            }},
        {"fp32, a group of escapes", Codec::fp32,
            [](Random &random, std::size_t size) { // 256 exponents, one after the other
                std::uint64_t n = 0;
                return values_of(size, 4, [&] {
                    const std::uint64_t bits = random.next() & 0x807fffff;
                    const bool is_wild = n++ % 4096 < 512;
                    return bits | (is_wild ? n % 256 : 120) << 23;
                });
            }},
        {"all exponents alike", Codec::raw,
            [](Random &random, std::size_t size) {
                std::uint64_t n = 0;
                return values_of(size, 2, [&] { return (random.next() & 0x807f) | (n++ & 0xff) << 7; });
            }},
        {"random bytes", Codec::raw,
            [](Random &random, std::size_t size) { return values_of(size, 8, [&] { return random.next(); }); }},
        {"text", std::nullopt,
            [](Random &, std::size_t size) {
                Bytes bytes(size);
                for (std::size_t n = 0; n < size; ++n) bytes[n] = static_cast<std::uint8_t>(kText[n % kText.size()]);
                return bytes;
            }},
        {"zeros but for the last byte", std::nullopt,
            [](Random &, std::size_t size) {
                Bytes bytes(size);
                bytes.back() = 0x80;
                return bytes;
            }},
    };
    return kKinds;
}

} // namespace gmemfs::test
