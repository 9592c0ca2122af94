#include "ecc/parity/block.hpp"

namespace gmemfs {
namespace {

Symbol read_symbol(std::span<const std::byte> row, unsigned index) {
    unsigned symbol = 0;
    for (unsigned plane = 0; plane < kPlanes; ++plane) {
        const BitPlace place = bit_place(index, plane);
        symbol |= (std::to_integer<unsigned>(row[place.offset]) >> place.bit & 1) << plane;
    }
    return static_cast<Symbol>(symbol);
}

void write_symbol(std::span<std::byte> row, unsigned index, Symbol symbol) {
    for (unsigned plane = 0; plane < kPlanes; ++plane) {
        const BitPlace place = bit_place(index, plane);
        const std::byte mask{static_cast<unsigned char>(1U << place.bit)};
        row[place.offset] = (symbol >> plane & 1) != 0 ? row[place.offset] | mask : row[place.offset] & ~mask;
    }
}

} // namespace

void gather(std::span<const std::byte> data, std::span<const std::byte> parity, unsigned index, Codeword to) {
    GMEMFS_ASSERT(data.size() == to.data.size() * kRowSize);
    GMEMFS_ASSERT(parity.size() == kBlockParitySize);
    for (std::size_t row = 0; row < to.data.size(); ++row)
        to.data[row] = read_symbol(data.subspan(row * kRowSize, kRowSize), index);
    for (std::size_t row = 0; row < kParityRows; ++row)
        to.parity[row] = read_symbol(parity.subspan(row * kRowSize, kRowSize), index);
}

void scatter(Codeword from, unsigned index, std::span<std::byte> data, std::span<std::byte> parity) {
    GMEMFS_ASSERT(data.size() == from.data.size() * kRowSize);
    GMEMFS_ASSERT(parity.size() == kBlockParitySize);
    for (std::size_t row = 0; row < from.data.size(); ++row)
        write_symbol(data.subspan(row * kRowSize, kRowSize), index, from.data[row]);
    for (std::size_t row = 0; row < kParityRows; ++row)
        write_symbol(parity.subspan(row * kRowSize, kRowSize), index, from.parity[row]);
}

} // namespace gmemfs
