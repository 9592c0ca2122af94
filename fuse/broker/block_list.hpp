// BlockList: the blocks of a pooled file, as the table of its process says.
//
// The table is another process's, which may be stopped, or lie: it is read by pread(2), which waits for nobody, each
// word is checked, and what the list says covers the file without a gap or an overlap, whatever the table has.
#pragma once

#include "client/wire/block_table.hpp"
#include "fuse/core/names/inode.hpp"
#include "vmm/base/fd.hpp"
#include "vmm/base/lock.hpp"

#include <cstdint>
#include <map>
#include <memory>
#include <vector>

namespace gmemfs {

/// A plain value. Bytes.
struct PoolBlock {
    std::uint64_t offset, size;
    std::uint64_t asked;      ///< by the program; 0 of an idle one
    block_table::State state; ///< none: idle
};

/// Blocks of the file that `lease` is on, which has `size` bytes: from the one that has the byte `from` on, `count` at
/// the most; there are more where the last one doesn't end at `size`. While the process allocates, what changes
/// meanwhile may be told either way. ENODATA: the table has no such file, or is none.
Result<std::vector<PoolBlock>> list_blocks(
    const Fd &table, std::uint64_t lease, std::uint64_t size, std::uint64_t from, std::size_t count);

/// The tables of files that processes have donated, by inode. Thread-safe.
class BlockTables {
public:
    void add(InodeId inode, std::uint64_t lease, std::shared_ptr<const Fd> table) EXCLUDES(mutex_);
    void remove(InodeId inode) EXCLUDES(mutex_);
    /// See list_blocks(). ENODATA: the file is no running process's.
    Result<std::vector<PoolBlock>> list(InodeId inode, std::uint64_t size, std::uint64_t from, std::size_t count) const
        EXCLUDES(mutex_);

private:
    struct Place {
        std::uint64_t lease;
        std::shared_ptr<const Fd> table;
    };
    mutable Mutex mutex_; // a leaf
    std::map<InodeId, Place> places_ GUARDED_BY(mutex_);
};

} // namespace gmemfs
