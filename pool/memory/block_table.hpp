// BlockTable: which blocks the files of this process's pool have, in a memory file that the mount's server reads.
//
// The server answers `user.gmemfs.pool` from it, and so never waits for the process, which may be stopped. It gets the
// descriptor with each donation. client/wire/block_table.hpp has the format.
#pragma once

#include "client/wire/block_table.hpp"
#include "vmm/base/fd.hpp"
#include "vmm/base/lock.hpp"

#include <cstddef>
#include <cstdint>
#include <memory>
#include <utility>
#include <vector>

namespace gmemfs::pool {

/// What the pool knows of a block, and others see: a view. Whoever owns the block is the only one to change it.
class BlockEntry {
public:
    explicit BlockEntry(block_table::Slot *slot) : slot_(slot) {}
    block_table::State state() const { return block_table::state_of(*slot_); }
    std::uint64_t size() const { return slot_->asked & block_table::kAskedMask; } ///< bytes, as they were asked for
    std::uint64_t serial() const { return slot_->serial; }
    std::uint64_t context() const { return slot_->context; }

    struct Use {
        std::uint64_t size, serial, context;
    };
    /// `place`: see BlockTable::Row::place_of.
    void take(std::uint64_t place, const Use &use);
    /// Where it is already.
    void take_again(const Use &use) { take(slot_->place & block_table::kPlaceMask, use); }
    void change(block_table::State state);

private:
    block_table::Slot *slot_;
};

/// Thread-safe. Where no memory file can be made nobody else sees what is in it.
class BlockTable {
public:
    BlockTable();
    ~BlockTable();
    BlockTable(const BlockTable &) = delete;
    BlockTable &operator=(const BlockTable &) = delete;

    const Fd &file() const { return file_; } ///< none where there is no table

    /// A file's row, until it is destroyed. Move-only.
    class Row {
    public:
        Row() = default;
        Row(BlockTable *table, std::uint32_t index) : table_(table), index_(index) {}
        Row(Row &&other) noexcept : table_(std::exchange(other.table_, nullptr)), index_(other.index_) {}
        Row &operator=(Row &&) = delete;
        ~Row();
        /// Of a file that is one block; null: it isn't in the table.
        block_table::Slot *whole() const;
        /// Of a block that begins at `offset`, in bytes.
        std::uint64_t place_of(std::uint64_t offset) const;

    private:
        BlockTable *table_ = nullptr;
        std::uint32_t index_ = 0;
    };
    Row add(std::uint64_t lease) EXCLUDES(mutex_);

    static constexpr std::uint32_t kChunk = 4096; ///< slots that are given at once
    /// So many slots, for good; null: there are no more.
    block_table::Slot *take_slots() EXCLUDES(mutex_);

private:
    block_table::BlockHeader &header() const { return *reinterpret_cast<block_table::BlockHeader *>(memory_); }
    block_table::Row &row(std::uint32_t index) const;

    Fd file_;
    std::byte *memory_ = nullptr;
    Mutex mutex_; // a leaf
    std::vector<std::uint32_t> unused_rows_ GUARDED_BY(mutex_);
    std::uint32_t row_end_ GUARDED_BY(mutex_) = 0, slot_end_ GUARDED_BY(mutex_) = 0;
};

/// The entries of one device's blocks, by number. Not thread-safe.
class BlockEntries {
public:
    explicit BlockEntries(BlockTable &table) : table_(table) {}
    BlockEntry at(std::uint32_t number) {
        const std::size_t chunk = number / BlockTable::kChunk;
        if (chunk >= chunks_.size()) grow(chunk + 1);
        return BlockEntry(chunks_[chunk] + number % BlockTable::kChunk);
    }

private:
    void grow(std::size_t count);

    BlockTable &table_;
    std::vector<block_table::Slot *> chunks_;
    std::vector<std::unique_ptr<block_table::Slot[]>> unseen_; // of them, what the table had no room for
};

} // namespace gmemfs::pool
