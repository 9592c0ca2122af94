#include "pool/memory/block_table.hpp"

#include <atomic>
#include <sys/mman.h>
#include <unistd.h>
#include <utility>

namespace gmemfs::pool {
namespace {

using namespace block_table;

constexpr char kName[] = "gmemfs-blocks";

void store(std::uint64_t &word, std::uint64_t value) {
    std::atomic_ref<std::uint64_t>(word).store(value, std::memory_order_release);
}

} // namespace

// The tag tells a reader whether both words are of one use.
void BlockEntry::take(std::uint64_t place, const Use &use) {
    slot_->serial = use.serial;
    slot_->context = use.context;
    store(slot_->asked, (use.size & kAskedMask) | use.serial << 48);
    store(slot_->place, place_of(place, State::used, use.serial));
}

void BlockEntry::change(State state) { store(slot_->place, place_of(slot_->place, state, slot_->place >> 48)); }

BlockTable::BlockTable() {
    Fd file(::memfd_create(kName, MFD_CLOEXEC));
    if (!file || ::ftruncate(file.get(), kSize) != 0) return;
    void *const mapped = ::mmap(nullptr, kSize, PROT_READ | PROT_WRITE, MAP_SHARED | MAP_NORESERVE, file.get(), 0);
    if (mapped == MAP_FAILED) return;
    (void)::madvise(mapped, kSize, MADV_DONTDUMP);
    file_ = std::move(file);
    memory_ = static_cast<std::byte *>(mapped);
    store(header().magic, kMagic);
}

BlockTable::~BlockTable() {
    if (memory_ != nullptr) ::munmap(memory_, kSize);
}

block_table::Row &BlockTable::row(std::uint32_t index) const {
    return reinterpret_cast<block_table::Row *>(memory_ + kRowsAt)[index];
}

BlockTable::Row BlockTable::add(std::uint64_t lease) {
    if (memory_ == nullptr) return {};
    const Hold hold(mutex_);
    if (unused_rows_.empty()) {
        if (row_end_ == kRowsMax) return {};
        unused_rows_.push_back(row_end_++);
        store(header().row_end, row_end_);
    }
    const std::uint32_t index = unused_rows_.back();
    unused_rows_.pop_back();
    store(row(index).lease, lease);
    return {this, index};
}

BlockTable::Row::~Row() {
    if (table_ == nullptr) return;
    const Hold hold(table_->mutex_);
    store(table_->row(index_).lease, 0);
    BlockEntry(whole()).change(State::none);
    table_->unused_rows_.push_back(index_);
}

block_table::Slot *BlockTable::Row::whole() const { return table_ == nullptr ? nullptr : &table_->row(index_).whole; }

std::uint64_t BlockTable::Row::place_of(std::uint64_t offset) const {
    return table_ == nullptr ? kNoRow : std::uint64_t(index_) << kRowShift | offset / kUnit;
}

block_table::Slot *BlockTable::take_slots() {
    if (memory_ == nullptr) return nullptr;
    const Hold hold(mutex_);
    if (slot_end_ == kSlotsMax) return nullptr;
    Slot *const first = reinterpret_cast<Slot *>(memory_ + kSlotsAt) + slot_end_;
    slot_end_ += kChunk;
    store(header().slot_end, slot_end_);
    return first;
}

void BlockEntries::grow(std::size_t count) {
    while (chunks_.size() < count) {
        Slot *chunk = table_.take_slots();
        if (chunk == nullptr) chunk = unseen_.emplace_back(std::make_unique<Slot[]>(BlockTable::kChunk)).get();
        chunks_.push_back(chunk);
    }
}

} // namespace gmemfs::pool
