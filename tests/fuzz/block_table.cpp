// Fuzzer: whatever a process's table of blocks says, a list covers its file from where it was asked for, in order.
#include "fuse/broker/block_list.hpp"

#include <algorithm>
#include <array>
#include <span>
#include <sys/mman.h>
#include <unistd.h>
#include <vector>

using namespace gmemfs;
namespace table_of = gmemfs::block_table;

namespace {

constexpr std::uint64_t kFile = std::uint64_t(4) << 20;

void put(const Fd &file, const void *bytes, std::size_t size, std::uint64_t at) {
    GMEMFS_ASSERT(::pwrite(file.get(), bytes, size, static_cast<off_t>(at)) == static_cast<ssize_t>(size));
}

// As it comes: the header behind the magic, some rows, and slots.
void put_bytes(const Fd &file, std::span<const std::uint8_t> data) {
    const auto put_part = [&](std::size_t most, std::uint64_t at) {
        const std::size_t part = std::min(data.size(), most);
        put(file, data.data(), part, at);
        data = data.subspan(part);
    };
    put_part(2 * sizeof(std::uint64_t), sizeof table_of::kMagic);
    put_part(4 * sizeof(table_of::Row), table_of::kRowsAt);
    put_part(data.size(), table_of::kSlotsAt);
}

// Four rows whose leases are 0 to 3, and slots that lie in one of them, most of them whole: 6 bytes each.
void put_slots(const Fd &file, std::span<const std::uint8_t> data) {
    const std::array<std::uint64_t, 2> ends = {4, data.size() / 6};
    put(file, ends.data(), sizeof ends, sizeof table_of::kMagic);
    for (std::uint64_t index = 0; index < 4; ++index) {
        const table_of::Row row = {index, {0, 0, 0, 0}};
        put(file, &row, sizeof row, table_of::kRowsAt + index * sizeof row);
    }
    for (std::uint64_t index = 0; index < ends[1]; ++index) {
        const std::uint8_t *const byte = data.data() + 6 * index;
        const std::uint64_t unit = byte[0] | std::uint64_t(byte[1]) << 8, row = byte[2] & 3, tag = byte[3] >> 4;
        const table_of::Slot slot = {
            table_of::place_of(row << table_of::kRowShift | unit, static_cast<table_of::State>(byte[2] >> 2 & 3), tag),
            (byte[4] | std::uint64_t(byte[5]) << 8) * 31 | (tag ^ (byte[3] & 1)) << 48, 0, 0};
        put(file, &slot, sizeof slot, table_of::kSlotsAt + index * sizeof slot);
    }
}

void check(const std::vector<PoolBlock> &blocks, std::uint64_t from) {
    GMEMFS_ASSERT(blocks.size() <= 20);
    GMEMFS_ASSERT(blocks.empty() == (from >= kFile));
    std::uint64_t end = 0;
    for (const PoolBlock &block : blocks) {
        const bool is_next = &block == &blocks.front() ? block.offset <= from : block.offset == end;
        GMEMFS_ASSERT(is_next);
        GMEMFS_ASSERT(block.size != 0);
        GMEMFS_ASSERT(block.asked <= block.size);
        end = block.offset + block.size;
        GMEMFS_ASSERT(end > from);
        GMEMFS_ASSERT(end <= kFile);
    }
    GMEMFS_ASSERT(blocks.empty() || blocks.size() == 20 || end == kFile);
}

} // namespace

// A byte with the way and the lease, one with the start, and the table.
extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t *data, std::size_t size) {
    if (size < 2) return 0;
    const std::uint64_t lease = data[0] >> 1, from = data[1] * std::uint64_t(16448) + data[1];
    const Fd file(::memfd_create("table", MFD_CLOEXEC));
    put(file, &table_of::kMagic, sizeof table_of::kMagic, 0);
    const std::span<const std::uint8_t> rest(data + 2, size - 2);
    (data[0] & 1) == 0 ? put_bytes(file, rest) : put_slots(file, rest);
    const Result<std::vector<PoolBlock>> blocks =
        list_blocks(file, (data[0] & 1) == 0 ? lease : lease & 3, kFile, from, 20);
    if (blocks) check(*blocks, from);
    return 0;
}
