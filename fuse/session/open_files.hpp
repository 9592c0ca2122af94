// OpenFiles: the opens of files and directories that the kernel hasn't released, by their handles.
#pragma once

#include "fuse/core/names/namespace.hpp"
#include "vmm/base/lock.hpp"

#include <atomic>
#include <cstdint>
#include <memory>
#include <sys/types.h>
#include <unordered_map>

namespace gmemfs {

/// One open file or directory. The kernel's handle points to it.
struct OpenFile {
    InodeRef inode;
    std::atomic<std::uint64_t> last_cookie = 0; ///< of a directory: see OpenFiles::last_cookie
    std::shared_ptr<const OpenImage> image;     ///< guarded as OpenFiles are; null: none was opened
};

/// What a request's handle stands for. A view; an owner only where a server before this one made the open.
struct Opened {
    Inode *inode;
    InodeRef held;
    bool is_inherited() const { return held != nullptr; }
};

/// Thread-safe. A leaf in the order of locks.
///
/// A handle is a pointer, with the server's generation in the 16 bits that no address of a process has on x86-64. The
/// kernel goes on using handles that a dead server gave it, and those are no longer pointers.
class OpenFiles {
public:
    explicit OpenFiles(std::uint16_t generation) : generation_(generation) {}

    std::uint64_t add(InodeRef inode) EXCLUDES(mutex_);
    void remove(std::uint64_t handle) EXCLUDES(mutex_);
    /// The inode of a handle that add() gave and remove() hasn't taken; the kernel keeps to that. Null where another
    /// server gave the handle.
    Inode *find(std::uint64_t handle) const;
    /// The cookie up to which the directory of this handle is read: the value of `present` when the reading began. It
    /// begins at offset 0 (at the start, or after rewinddir(3)), or with the first call to this server.
    std::uint64_t last_cookie(std::uint64_t handle, off_t offset, std::uint64_t present) EXCLUDES(mutex_);
    /// Keeps what was opened of the file beside its bytes, until it is closed. ESTALE: another server gave the handle.
    Result<void> open_image(std::uint64_t handle, std::shared_ptr<const OpenImage> image) EXCLUDES(mutex_);
    std::shared_ptr<const OpenImage> image_of(std::uint64_t handle) EXCLUDES(mutex_); ///< null: there is none
    void clear() EXCLUDES(mutex_);

private:
    const std::uint16_t generation_;
    Mutex mutex_;
    OpenFile *own(std::uint64_t handle) const; // null: of another server

    std::unordered_map<std::uint64_t, std::unique_ptr<OpenFile>> opens_ GUARDED_BY(mutex_);
    std::unordered_map<std::uint64_t, std::uint64_t> inherited_ GUARDED_BY(mutex_); // last cookies, by the handle
};

} // namespace gmemfs
