// Credentials: which user makes a request, with groups and umask.
#pragma once

#include <sys/types.h>
#include <vector>

namespace gmemfs {

/// A plain value. The kernel has checked mode bits already (default_permissions). Credentials are for what the kernel
/// can't decide: who owns a new inode, and which users may have a handle.
struct Credentials {
    uid_t uid = 0;
    gid_t gid = 0;
    std::vector<gid_t> groups = {}; ///< supplementary; filled in only where a check needs them
    bool may_keep_set_ids = false;  ///< CAP_FSETID; filled in with the groups
    mode_t umask = 0;               ///< bits that a new inode doesn't get; a default ACL takes its place

    bool is_in(gid_t group) const {
        for (const gid_t other : groups)
            if (group == other) return true;
        return group == gid;
    }
};

} // namespace gmemfs
