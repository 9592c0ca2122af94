// OpenFiles: the opens of files and directories that the kernel has not released, by the handles that it got for them.
#pragma once

#include "fuse/core/names/namespace.hpp"
#include "vmm/base/lock.hpp"

#include <atomic>
#include <cstdint>
#include <memory>
#include <sys/types.h>
#include <unordered_map>

namespace gmemfs {

/// One open file or directory; what the kernel gets as its handle.
struct OpenFile {
    InodeRef inode;
    std::atomic<std::uint64_t> last_cookie = 0; ///< of a directory: see OpenFiles::last_cookie
};

/// What a request's handle stands for. A view, and an owner only where the open is of a server before this one.
struct Opened {
    Inode *inode;
    InodeRef held;
    bool is_inherited() const { return held != nullptr; }
};

/// The opens that the kernel hasn't released. Thread-safe. A leaf in the order of locks.
///
/// A handle is a pointer, with the server's generation in the 16 bits that no address of a process has on x86-64: the
/// kernel goes on using handles that a dead server gave it, and those are pointers no more.
class OpenFiles {
public:
    explicit OpenFiles(std::uint16_t generation) : generation_(generation) {}

    std::uint64_t add(InodeRef inode) EXCLUDES(mutex_);
    void remove(std::uint64_t handle) EXCLUDES(mutex_);
    /// Of a handle that add() gave, and that wasn't removed: the kernel keeps to that. Null where another server gave
    /// it.
    Inode *find(std::uint64_t handle) const;
    /// Up to where the directory of this handle is read: what `present` was when the reading began, at its start or
    /// after rewinddir(3), at offset 0; or for this server.
    std::uint64_t last_cookie(std::uint64_t handle, off_t offset, std::uint64_t present) EXCLUDES(mutex_);
    void clear() EXCLUDES(mutex_);

private:
    const std::uint16_t generation_;
    Mutex mutex_;
    OpenFile *own(std::uint64_t handle) const; // null: of another server

    std::unordered_map<std::uint64_t, std::unique_ptr<OpenFile>> opens_ GUARDED_BY(mutex_);
    std::unordered_map<std::uint64_t, std::uint64_t> inherited_ GUARDED_BY(mutex_); // last cookies, by the handle
};

} // namespace gmemfs
