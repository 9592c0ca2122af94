#include "pool/fit/fit.hpp"

#include "vmm/base/result.hpp"

#include <bit>
#include <utility>

namespace gmemfs::pool {

Fit::Fit() = default;

// Row 0 has a bin for each size; from then on a row is the sizes with one highest bit.
Fit::Bin Fit::bin_of(std::uint64_t length) {
    if (length < kBins) return {0, static_cast<unsigned>(length)};
    const unsigned highest = static_cast<unsigned>(std::bit_width(length)) - 1;
    return {highest - kBinBits + 1, static_cast<unsigned>(length >> (highest - kBinBits)) & (kBins - 1)};
}

// The least size whose bin holds no block that is smaller than `length`.
std::uint64_t Fit::rounded(std::uint64_t length) {
    if (length < kBins) return length;
    const unsigned highest = static_cast<unsigned>(std::bit_width(length)) - 1;
    return length + (std::uint64_t(1) << (highest - kBinBits)) - 1;
}

Fit::Node Fit::make_node() {
    if (unused_ == 0) {
        const auto first = static_cast<Node>(chunks_.size() * kChunk);
        chunks_.push_back(std::make_unique<std::array<Entry, kChunk>>());
        for (Node node = first + kChunk - 1; node != first; --node) at(node).next = std::exchange(unused_, node);
        if (first != 0) at(first).next = std::exchange(unused_, first); // 0 is no node
    }
    const Node node = unused_;
    unused_ = touch(node).next;
    at(node) = {};
    return node;
}

void Fit::drop_node(Node node) { touch(node).next = std::exchange(unused_, node); }

void Fit::hang(Node node) {
    Entry &entry = touch(node);
    const Bin bin = bin_of(entry.length);
    Node &first = bins_[bin.row][bin.column];
    entry.is_free = true;
    entry.previous = 0;
    entry.next = first;
    if (first != 0) touch(first).previous = node;
    first = node;
    rows_ |= std::uint64_t(1) << bin.row;
    columns_[bin.row] |= 1U << bin.column;
    free_units_ += entry.length;
}

void Fit::unhang(Node node) {
    Entry &entry = touch(node);
    const Bin bin = bin_of(entry.length);
    if (entry.previous != 0)
        touch(entry.previous).next = entry.next;
    else
        bins_[bin.row][bin.column] = entry.next;
    if (entry.next != 0) touch(entry.next).previous = entry.previous;
    entry.is_free = false;
    free_units_ -= entry.length;
    if (bins_[bin.row][bin.column] != 0) return;
    columns_[bin.row] &= ~(1U << bin.column);
    if (columns_[bin.row] == 0) rows_ &= ~(std::uint64_t(1) << bin.row);
}

// A free block of `length` units or more; 0: none.
Fit::Node Fit::find(std::uint64_t length) {
    const Bin wanted = bin_of(rounded(length));
    if (wanted.row < kRows) {
        const std::uint32_t here = columns_[wanted.row] & (~std::uint32_t(0) << wanted.column);
        if (here != 0) return bins_[wanted.row][static_cast<unsigned>(std::countr_zero(here))];
        const std::uint64_t above = wanted.row + 1 < kRows ? rows_ & (~std::uint64_t(0) << (wanted.row + 1)) : 0;
        if (above != 0) {
            const auto row = static_cast<unsigned>(std::countr_zero(above));
            return bins_[row][static_cast<unsigned>(std::countr_zero(columns_[row]))];
        }
    }
    const Bin own = bin_of(length);
    const Node first = bins_[own.row][own.column];
    return first != 0 && touch(first).length >= length ? first : 0;
}

std::uint64_t Fit::largest_free() const {
    if (rows_ == 0) return 0;
    const auto row = static_cast<unsigned>(std::bit_width(rows_)) - 1;
    const auto column = static_cast<unsigned>(std::bit_width(columns_[row])) - 1;
    return at(bins_[row][column]).length;
}

Fit::Node Fit::add(std::uint64_t start, std::uint64_t length) {
    GMEMFS_ASSERT(length != 0);
    GMEMFS_ASSERT(length <= kUnitsMax);
    steps_ = 0;
    const Node node = make_node();
    at(node).start = start;
    at(node).length = length;
    hang(node);
    return node;
}

std::optional<Fit::Block> Fit::take(std::uint64_t length) {
    GMEMFS_ASSERT(length != 0);
    steps_ = 0;
    if (length > kUnitsMax) return std::nullopt;
    const Node node = find(length);
    if (node == 0) return std::nullopt;
    unhang(node);
    if (at(node).length > length) { // what is left over stays behind it
        const Node rest = make_node();
        Entry &entry = touch(node);
        Entry &left = touch(rest);
        left.start = entry.start + length;
        left.length = entry.length - length;
        left.before = node;
        left.behind = entry.behind;
        if (entry.behind != 0) touch(entry.behind).before = rest;
        entry.behind = rest;
        entry.length = length;
        hang(rest);
    }
    taken_units_ += length;
    ++block_count_;
    return block(node);
}

// The block behind `node` becomes part of it.
void Fit::swallow(Node node, Node behind) {
    Entry &entry = touch(node);
    const Entry &gone = touch(behind);
    entry.length += gone.length;
    entry.behind = gone.behind;
    if (gone.behind != 0) touch(gone.behind).before = node;
    drop_node(behind);
}

Fit::Given Fit::give(Node node) {
    steps_ = 0;
    GMEMFS_ASSERT(!at(node).is_free);
    taken_units_ -= at(node).length;
    --block_count_;
    if (const Node behind = touch(node).behind; behind != 0 && touch(behind).is_free) {
        unhang(behind);
        swallow(node, behind);
    }
    if (const Node before = at(node).before; before != 0 && touch(before).is_free) {
        unhang(before);
        swallow(before, node);
        node = before;
    }
    hang(node);
    return {node, at(node).before == 0 && at(node).behind == 0};
}

void Fit::remove(Node node) {
    steps_ = 0;
    GMEMFS_ASSERT(at(node).is_free);
    GMEMFS_ASSERT(at(node).before == 0);
    GMEMFS_ASSERT(at(node).behind == 0);
    unhang(node);
    drop_node(node);
}

} // namespace gmemfs::pool
