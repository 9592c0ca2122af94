// Fit: which part of the pool's regions a request gets: a two-level segregated fit, in constant time.
//
//     sizes, in units     1 2 .. 31 | 32 33 .. 63 | 64 66 .. 126 | 128 132 .. 252 | ...
//     row (level 1)           0     |      1      |      2       |       3        |       each doubles
//     bin of it (level 2)   1..31   |   0 .. 31   |   0 .. 31    |    0 .. 31     |
//
// Free blocks of about one size hang in one bin. Two bitmaps say which bins hold any, so that a request finds the first
// bin whose blocks all are large enough by two bit scans. A block that is given back merges with its free neighbours at
// once. The scheme is Masmano et al., "TLSF: a new dynamic memory allocator for real-time systems" (ECRTS 2004),
// sections 3 and 4; here it keeps its books beside the memory, which the host can't touch.
//
// What a request takes is cut to its size, so the loss is what no block is made of: a block in the request's own bin
// may be large enough, and only the first one there is looked at. A bin is 1/32 of its row wide.
#pragma once

#include <array>
#include <cstdint>
#include <memory>
#include <optional>
#include <vector>

namespace gmemfs::pool {

/// Bytes of a unit: the alignment that cuMemAlloc gives (H200, driver 580).
inline constexpr std::uint64_t kUnit = 512;

/// Not thread-safe. Positions and sizes are in units; what they stand for is the caller's.
class Fit {
public:
    using Node = std::uint32_t; ///< names a block until it is given back; never 0
    static constexpr std::uint64_t kUnitsMax = std::uint64_t(1) << 40; ///< of a region: 512 TiB

    struct Block {
        Node node;
        std::uint64_t start, length;
    };

    Fit();
    Fit(const Fit &) = delete;
    Fit &operator=(const Fit &) = delete;

    /// A region of free units, no part of which is in another one. Blocks never span two regions, even adjacent ones.
    Node add(std::uint64_t start, std::uint64_t length);
    /// Exactly `length` units, which isn't 0. Empty: no block is large enough, or none that is found in constant time.
    std::optional<Block> take(std::uint64_t length);
    /// Gives a block back. The node of the free block that it is part of now, and whether that is a whole region.
    struct Given {
        Node node;
        bool is_region;
    };
    Given give(Node node);
    /// Takes a region out again, of which give() or add() has said that it is one, all of it free.
    void remove(Node node);

    /// Whether the node is a free block of just these units.
    bool is_free(Node node, std::uint64_t start, std::uint64_t length) const {
        return at(node).is_free && at(node).start == start && at(node).length == length;
    }
    Block block(Node node) const { return {node, at(node).start, at(node).length}; }
    std::uint64_t free_units() const { return free_units_; }
    /// Of a free block that is the largest one, or smaller than that by a bin's width at the most: 1/32.
    std::uint64_t largest_free() const;
    std::uint64_t taken_units() const { return taken_units_; }
    std::uint64_t block_count() const { return block_count_; } ///< taken ones
    /// Nodes that the last take(), give(), add() or remove() has looked at or written to.
    unsigned steps() const { return steps_; }

private:
    static constexpr unsigned kBinBits = 5;
    static constexpr unsigned kBins = 1U << kBinBits;
    static constexpr unsigned kRows = 40 - kBinBits + 2;
    static constexpr std::size_t kChunk = 4096; // nodes that are made at once, so that none ever moves

    struct Entry {
        std::uint64_t start = 0, length = 0;
        Node before = 0, behind = 0; // neighbours in the region; 0: its end
        Node previous = 0, next = 0; // of a free one, in its bin; `next` also of unused nodes
        bool is_free = false;
    };
    struct Bin {
        unsigned row, column;
    };
    static Bin bin_of(std::uint64_t length);
    static std::uint64_t rounded(std::uint64_t length);

    Entry &at(Node node) { return (*chunks_[node / kChunk])[node % kChunk]; }
    const Entry &at(Node node) const { return (*chunks_[node / kChunk])[node % kChunk]; }
    Entry &touch(Node node) {
        ++steps_;
        return at(node);
    }
    Node make_node();
    void drop_node(Node node);
    void hang(Node node);
    void unhang(Node node);
    Node find(std::uint64_t length);
    void swallow(Node node, Node behind);

    std::vector<std::unique_ptr<std::array<Entry, kChunk>>> chunks_;
    Node unused_ = 0;                                      // the first of a list
    std::uint64_t rows_ = 0;                               // bit row: it has a bin that isn't empty
    std::array<std::uint32_t, kRows> columns_ = {};        // bit column: that bin isn't empty
    std::array<std::array<Node, kBins>, kRows> bins_ = {}; // the first of each
    std::uint64_t free_units_ = 0, taken_units_ = 0, block_count_ = 0;
    unsigned steps_ = 0;
};

} // namespace gmemfs::pool
