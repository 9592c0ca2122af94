// SnapshotTree: the folder or file that is saved, as entries; and the way from an entry to what it names.
//
// A folder is reached from the top one name at a time, each opened with O_NOFOLLOW, so that whatever others rename or
// link meanwhile, nothing outside is reached. That takes one open file, however deep a tree is.
#pragma once

#include "tools/snapshot_format.hpp"
#include "vmm/base/fd.hpp"

#include <sys/types.h>

namespace gmemfs {

/// The folder `index` below `top`, which is entry 0's. ELOOP, ENOTDIR: something else is at a name by now.
Result<Fd> open_folder(int top, const std::vector<SnapshotEntry> &entries, std::size_t index);

/// What is to be saved. Thread-safe once it is made.
class SnapshotTree {
public:
    /// Reads names and attributes of `path`, below it too, but not of what is mounted there.
    static Result<SnapshotTree> create(const std::string &path);

    const std::vector<SnapshotEntry> &entries() const { return entries_; }
    std::uint64_t data_bytes() const;
    /// The file of an entry, to read. ESTALE: it has become another one.
    Result<Fd> open_file(std::size_t index) const;

private:
    explicit SnapshotTree(Fd top) : top_(std::move(top)) {}
    Result<void> scan_folder(std::uint32_t index, dev_t device);
    Result<void> add(int folder, std::uint32_t parent, const std::string &name);

    Fd top_; // the folder that was named, or that of the file that was
    std::vector<SnapshotEntry> entries_;
    std::vector<std::pair<dev_t, ino_t>> inodes_; // inodes_[index]: what the entry was
};

} // namespace gmemfs
