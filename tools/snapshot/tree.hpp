// SnapshotTree: the folder or file that is saved, as a list of entries, each of which can be opened.
//
// A folder is reached from the top one name at a time, each opened with O_NOFOLLOW. So nothing outside the tree is
// reached, whatever others rename or link meanwhile. That takes one open file, however deep the tree is.
//
// What vanishes or becomes something else meanwhile is left out, with a warning, as tar does it. So are attributes that
// can't be listed.
#pragma once

#include "tools/snapshot/index.hpp"
#include "vmm/base/fd.hpp"

#include <functional>
#include <sys/types.h>

namespace gmemfs {

/// Opens the folder `index` below `top`, which is entry 0's folder. ELOOP, ENOTDIR: a name of the path is something
/// else by now.
Result<Fd> open_folder(int top, const std::vector<SnapshotEntry> &entries, std::size_t index);

/// Takes a line about something that isn't saved as it was. Called by any thread.
using Warn = std::function<void(const std::string &line)>;

/// What is to be saved. Thread-safe once it is made.
class SnapshotTree {
public:
    /// Reads names and attributes of `path` and of all below it, but not of what is mounted there. EINTR: the user has
    /// interrupted.
    static Result<SnapshotTree> create(const std::string &path, const Warn &warn) {
        return create(path, warn, Unreadable::refused);
    }
    enum class Unreadable {
        refused,  ///< EACCES
        left_out, ///< with a warning, as long as it isn't `path` itself
    };
    static Result<SnapshotTree> create(const std::string &path, const Warn &warn, Unreadable unreadable);

    const std::vector<SnapshotEntry> &entries() const { return entries_; }
    std::uint64_t data_bytes() const;
    /// Opens the file of an entry for reading, by any of its names. ESTALE: the file has vanished, or another one has
    /// its names.
    Result<Fd> open_file(std::size_t index) const { return open_file(index, 0); }
    Result<Fd> open_file(std::size_t index, int more_flags) const; ///< with O_DIRECT, say
    /// Opens the folder of an entry; of entry 0 that was named as a file, the folder that has it. open_folder()'s
    /// errors.
    Result<Fd> open_folder_at(std::size_t index) const { return open_folder(top_.get(), entries_, index); }
    /// Whether files may have images that can be read: they lie on a FUSE filesystem, which may be a gmemfs mount.
    bool may_have_images() const;
    /// See gmemfs::path_of().
    std::string path_of(std::size_t index) const { return gmemfs::path_of(entries_, index); }

private:
    SnapshotTree(Fd top, const Warn &warn, Unreadable unreadable)
        : warn_(warn), unreadable_(unreadable), top_(std::move(top)) {}
    Result<void> leave_out(const std::string &path, Error error) const;
    Result<void> scan_folder(std::uint32_t index, dev_t device);
    Result<void> add(int folder, std::uint32_t parent, const std::string &name);
    Result<void> read_attributes(int fd, const std::string &path, SnapshotEntry &entry) const;
    Result<Fd> open_name(std::size_t name, std::size_t index, int more_flags) const;
    Result<void> find_links();

    Warn warn_;
    Unreadable unreadable_;
    Fd top_; // the folder that was named, or that of the file that was
    std::vector<SnapshotEntry> entries_;
    std::vector<std::pair<dev_t, ino_t>> inodes_; // inodes_[index]: what the entry was
};

} // namespace gmemfs
