// Front: what serves a Host's files, as the broker and the attributes know it.
#pragma once

#include "fuse/core/journal/volume_state.hpp"

#include <string>

namespace gmemfs {

/// Thread-safe, but for end(), which is the main thread's.
class Front {
public:
    Front() = default;
    virtual ~Front() = default;
    Front(const Front &) = delete;
    Front &operator=(const Front &) = delete;

    /// Something of the inode that is trusted for a while has changed without a request: it is to be asked again.
    virtual void attributes_changed(InodeId id) = 0;
    /// Waits for memory that is about to be given back; false where there is none to wait for.
    virtual bool wait_for_memory() = 0;
    /// The number by which fuse/mounts/mount_table.hpp finds where it is mounted.
    virtual const std::string &filesystem() const = 0;
    /// It is to end, as by SIGTERM.
    virtual void end() = 0;
};

} // namespace gmemfs
