// Front: what the broker and the attributes need of the thing that serves a Host's files.
#pragma once

#include "fuse/core/journal/volume_state.hpp"

#include <string>

namespace gmemfs {

/// Thread-safe, but for end(), which only the main thread calls.
class Front {
public:
    Front() = default;
    virtual ~Front() = default;
    Front(const Front &) = delete;
    Front &operator=(const Front &) = delete;

    /// An attribute of the inode that the kernel may have cached has changed without a request. The kernel is told to
    /// ask again.
    virtual void attributes_changed(InodeId id) = 0;
    /// A name in the directory was made or removed without a request. The kernel is told to look it up again.
    virtual void name_changed(InodeId parent, const std::string &name) = 0;
    /// Waits for memory that is about to be given back; false where there is none to wait for.
    virtual bool wait_for_memory() = 0;
    /// The number by which fuse/mounts/mount_table.hpp finds the places where this is mounted.
    virtual const std::string &filesystem() const = 0;
    /// Ends serving, as SIGTERM does.
    virtual void end() = 0;
};

} // namespace gmemfs
