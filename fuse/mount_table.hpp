// Mount table: what is mounted where, as this process sees it, and news of its changes.
#pragma once

#include "vmm/base/fd.hpp"

#include <functional>
#include <string>
#include <string_view>

namespace gmemfs {

/// A line of /proc/self/mountinfo (proc(5)). A plain value; views of what walk_mounts() has read.
struct MountLine {
    std::string_view device;  ///< MAJOR:MINOR
    std::string_view place;   ///< the mount point; blanks and the like are \ooo
    std::string_view options; ///< of the mount, not of its filesystem
    std::string_view type;
};

/// Shows `visit` all lines, a mount that covers another one after it. The errno of open(2) or read(2).
Result<void> walk_mounts(const std::function<void(const MountLine &)> &visit);

/// Tells when the table has changed, on GLib's main loop: at once, then not for a while, so that it takes at most a
/// hundredth of a core on a machine where containers come and go. The last change is always told. Not thread-safe.
class MountTableWatch {
public:
    explicit MountTableWatch(std::function<void()> changed);
    ~MountTableWatch();
    MountTableWatch(const MountTableWatch &) = delete;
    MountTableWatch &operator=(const MountTableWatch &) = delete;

private:
    void listen();
    void tell();

    std::function<void()> changed_;
    Fd table_;
    unsigned source_ = 0; // GLib's id: of what waits for a change, or for the end of a rest
};

} // namespace gmemfs
