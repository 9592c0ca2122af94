// Fuzzer: whatever a process's table of blocks says, a list covers its file from where it was asked for, in order.
#include "fuse/broker/block_list.hpp"

#include <algorithm>
#include <sys/mman.h>
#include <unistd.h>

using namespace gmemfs;
namespace table_of = gmemfs::block_table;

namespace {

// So much of what is left goes there.
void put(const Fd &file, const std::uint8_t *&data, std::size_t &size, std::size_t most, std::uint64_t at) {
    const std::size_t part = std::min(size, most);
    GMEMFS_ASSERT(::pwrite(file.get(), data, part, static_cast<off_t>(at)) == static_cast<ssize_t>(part));
    data += part;
    size -= part;
}

} // namespace

// A byte with the lease, one with the start; then the header behind the magic, some rows, and slots.
extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t *data, std::size_t size) {
    if (size < 2) return 0;
    constexpr std::uint64_t kFile = std::uint64_t(4) << 20;
    const std::uint64_t lease = data[0], from = data[1] * std::uint64_t(16448) + data[1];
    data += 2, size -= 2;
    const Fd file(::memfd_create("table", MFD_CLOEXEC));
    GMEMFS_ASSERT(::pwrite(file.get(), &table_of::kMagic, sizeof table_of::kMagic, 0) == sizeof table_of::kMagic);
    put(file, data, size, 2 * sizeof(std::uint64_t), sizeof table_of::kMagic);
    put(file, data, size, 4 * sizeof(table_of::Row), table_of::kRowsAt);
    put(file, data, size, size, table_of::kSlotsAt);
    const Result<std::vector<PoolBlock>> blocks = list_blocks(file, lease, kFile, from, 20);
    if (!blocks) return 0;
    GMEMFS_ASSERT(blocks->size() <= 20);
    GMEMFS_ASSERT(blocks->empty() == (from >= kFile));
    std::uint64_t end = 0;
    for (const PoolBlock &block : *blocks) {
        if (&block == &blocks->front()) {
            GMEMFS_ASSERT(block.offset <= from);
        } else {
            GMEMFS_ASSERT(block.offset == end);
        }
        GMEMFS_ASSERT(block.size != 0);
        GMEMFS_ASSERT(block.asked <= block.size);
        end = block.offset + block.size;
        GMEMFS_ASSERT(end > from);
        GMEMFS_ASSERT(end <= kFile);
    }
    return 0;
}
