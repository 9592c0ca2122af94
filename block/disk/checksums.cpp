#include "block/disk/checksums.hpp"

#include "ecc/pack/crc32c.hpp"

#include <algorithm>

namespace gmemfs::block {
namespace {

constexpr std::uint32_t kUnknown = 0; // as new memory has it; a sum that happens to be 0 is kept as 1

std::uint32_t sum_of(std::span<const std::byte> block) { return std::max<std::uint32_t>(crc32c(block), 1); }

const std::uint32_t kSumOfZeros = [] {
    static constexpr std::array<std::byte, kCheckedSize> kZeros = {};
    return sum_of(kZeros);
}();

} // namespace

Checksums::Held::Held(Checksums &sums, std::uint64_t stripes) : sums_(sums), stripes_(stripes) {
    for (std::size_t index = 0; index < kStripes; ++index) // always in this order
        if ((stripes_ >> index & 1) != 0) sums_.stripes_[index].lock();
}

Checksums::Held::~Held() {
    for (std::size_t index = 0; index < kStripes; ++index)
        if ((stripes_ >> index & 1) != 0) sums_.stripes_[index].unlock();
}

std::uint64_t Checksums::stripes_of(std::uint64_t offset, std::uint64_t length) {
    const std::uint64_t first = offset / kStripeSize,
                        last = (offset + std::max<std::uint64_t>(length, 1) - 1) / kStripeSize;
    std::uint64_t stripes = 0;
    for (std::uint64_t stripe = first; stripe <= last && stripe < first + kStripes; ++stripe)
        stripes |= std::uint64_t(1) << stripe % kStripes;
    return stripes;
}

void Checksums::set(std::uint64_t offset, std::span<const std::byte> bytes) {
    for (std::uint64_t at = 0; at < bytes.size(); at += kCheckedSize)
        sums_[(offset + at) / kCheckedSize] = sum_of(bytes.subspan(at, kCheckedSize));
}

void Checksums::set_zeros(std::uint64_t offset, std::uint64_t length) {
    std::fill_n(sums_.begin() + static_cast<std::ptrdiff_t>(offset / kCheckedSize), length / kCheckedSize, kSumOfZeros);
}

void Checksums::forget(std::uint64_t offset, std::uint64_t length) {
    std::fill_n(sums_.begin() + static_cast<std::ptrdiff_t>(offset / kCheckedSize), length / kCheckedSize, kUnknown);
}

bool Checksums::check(std::uint64_t offset, std::span<const std::byte> bytes) {
    for (std::uint64_t at = 0; at < bytes.size(); at += kCheckedSize) {
        const std::uint32_t known = sums_[(offset + at) / kCheckedSize];
        if (known != kUnknown && known != sum_of(bytes.subspan(at, kCheckedSize))) return false;
    }
    return true;
}

} // namespace gmemfs::block
