#include "fuse/broker/block_list.hpp"

#include <algorithm>
#include <optional>
#include <unistd.h>

namespace gmemfs {
namespace {

using namespace block_table;

constexpr int kAttempts = 3;                 // of a list, while the process allocates
constexpr std::size_t kRecordsAtOnce = 4096; // a few pages

Error no_data(const char *detail) { return Error{ENODATA, 0, "list blocks", detail}; }

template <typename Record>
bool read_record(const Fd &table, std::uint64_t at, Record &record) {
    return ::pread(table.get(), &record, sizeof record, static_cast<off_t>(at)) == sizeof record;
}

// Calls `look(record, index)` for each until that returns true, and returns whether it did.
template <typename Record, typename Look>
bool look_through(const Fd &table, std::uint64_t start, std::uint64_t count, const Look &look) {
    std::vector<Record> records(std::min<std::uint64_t>(count, kRecordsAtOnce));
    for (std::uint64_t first = 0; first < count; first += records.size()) {
        const std::size_t bytes = std::min<std::uint64_t>(records.size(), count - first) * sizeof(Record);
        const ssize_t got =
            ::pread(table.get(), records.data(), bytes, static_cast<off_t>(start + first * sizeof(Record)));
        const std::size_t whole = got > 0 ? static_cast<std::size_t>(got) / sizeof(Record) : 0;
        for (std::size_t index = 0; index < whole; ++index)
            if (look(records[index], first + index)) return true;
        if (whole * sizeof(Record) != bytes) return false;
    }
    return false;
}

bool is_taken(const Slot &slot) { return state_of(slot) == State::used || state_of(slot) == State::waiting; }

// Taken blocks of the arena with one row, the first `count` from the byte `from` on.
class Taken {
public:
    Taken(std::uint64_t row_index, std::uint64_t size, std::uint64_t from, std::size_t count)
        : row_index_(row_index), size_(size), from_(from), count_(count) {}

    void add(const Slot &slot) {
        if (!is_taken(slot) || (slot.place & kPlaceMask) >> kRowShift != row_index_) return;
        const std::uint64_t offset = (slot.place & kUnitMask) * kUnit, asked = slot.asked & kAskedMask;
        if (offset >= size_ || asked == 0 || asked > size_ - offset) return;
        const std::uint64_t taken = std::min((asked + kUnit - 1) / kUnit * kUnit, size_ - offset);
        if (offset + taken <= from_) return;
        blocks_.push_back({offset, taken, asked, state_of(slot)});
        if (blocks_.size() >= 2 * count_) cut();
    }
    // In order. Empty: two of them overlap, because something changed meanwhile.
    std::optional<std::vector<PoolBlock>> in_order() {
        cut();
        std::sort(blocks_.begin(), blocks_.end(), is_before);
        for (std::size_t index = 1; index < blocks_.size(); ++index)
            if (blocks_[index - 1].offset + blocks_[index - 1].size > blocks_[index].offset) return std::nullopt;
        return std::move(blocks_);
    }
    // The same, where there is no better list: of two that overlap the first.
    std::vector<PoolBlock> without_overlaps() {
        std::uint64_t end = 0;
        std::erase_if(blocks_, [&](const PoolBlock &block) {
            if (block.offset < end) return true;
            end = block.offset + block.size;
            return false;
        });
        return std::move(blocks_);
    }

private:
    static bool is_before(const PoolBlock &one, const PoolBlock &other) { return one.offset < other.offset; }
    void cut() { // so that it takes little memory, however many there are
        if (blocks_.size() <= count_) return;
        const auto last = blocks_.begin() + static_cast<std::ptrdiff_t>(count_);
        std::nth_element(blocks_.begin(), last, blocks_.end(), is_before);
        blocks_.erase(last, blocks_.end());
    }

    const std::uint64_t row_index_, size_, from_;
    const std::size_t count_;
    std::vector<PoolBlock> blocks_;
};

// With what is idle between them, `count` in all.
std::vector<PoolBlock> fill_gaps(
    const std::vector<PoolBlock> &taken, std::uint64_t size, std::uint64_t from, std::size_t count) {
    std::vector<PoolBlock> all;
    std::uint64_t end = from;
    const auto is_full = [&] { return all.size() == count; };
    for (const PoolBlock &block : taken) {
        if (block.offset > end && !is_full()) all.push_back({end, block.offset - end, 0, State::none});
        if (is_full()) return all;
        all.push_back(block);
        end = block.offset + block.size;
    }
    if (end < size && !is_full()) all.push_back({end, size - end, 0, State::none});
    return all;
}

std::vector<PoolBlock> list_whole(const Slot &slot, std::uint64_t size) {
    const std::uint64_t asked = std::min(slot.asked & kAskedMask, size);
    return {{0, size, asked, state_of(slot)}};
}

} // namespace

Result<std::vector<PoolBlock>> list_blocks(
    const Fd &table, std::uint64_t lease, std::uint64_t size, std::uint64_t from, std::size_t count) {
    BlockHeader header = {};
    Row row = {};
    std::uint64_t row_index = 0;
    if (!read_record(table, 0, header) || header.magic != kMagic) return no_data("its process has no table of them");
    const bool is_there = lease != 0 && look_through<Row>(table, kRowsAt, std::min(header.row_end, kRowsMax),
                                            [&](const Row &each, std::uint64_t index) {
                                                row = each;
                                                row_index = index;
                                                return each.lease == lease;
                                            });
    if (!is_there) return no_data("its process's table hasn't got it");
    if (from >= size || count == 0) return std::vector<PoolBlock>();
    if (is_taken(row.whole)) return list_whole(row.whole, size);
    for (int attempt = 1;; ++attempt) {
        Taken taken(row_index, size, from, count);
        look_through<Slot>(table, kSlotsAt, std::min(header.slot_end, kSlotsMax), [&](Slot slot, std::uint64_t index) {
            if (is_taken(slot) && !is_whole(slot) && !read_record(table, kSlotsAt + index * sizeof slot, slot))
                return true;
            if (is_whole(slot)) taken.add(slot);
            return false;
        });
        std::optional<std::vector<PoolBlock>> blocks = taken.in_order();
        if (!blocks && attempt < kAttempts) continue;
        if (!blocks) blocks = taken.without_overlaps();
        Row after = {};
        if (!read_record(table, kRowsAt + row_index * sizeof after, after) || after.lease != lease)
            return no_data("it is being freed");
        return fill_gaps(*blocks, size, from, count);
    }
}

void BlockTables::add(InodeId inode, std::uint64_t lease, std::shared_ptr<const Fd> table) {
    const Hold hold(mutex_);
    if (table) places_[inode] = {lease, std::move(table)};
}

void BlockTables::remove(InodeId inode) {
    const Hold hold(mutex_);
    places_.erase(inode);
}

Result<std::vector<PoolBlock>> BlockTables::list(
    InodeId inode, std::uint64_t size, std::uint64_t from, std::size_t count) const {
    Place place = {};
    {
        const Hold hold(mutex_);
        const auto found = places_.find(inode);
        if (found == places_.end()) return no_data("it is no file of a running program's pool");
        place = found->second;
    }
    return list_blocks(*place.table, place.lease, size, from, count);
}

} // namespace gmemfs
