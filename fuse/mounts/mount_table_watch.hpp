// Mount table watch: calls back when something is mounted or unmounted in this mount namespace.
#pragma once

#include "vmm/base/fd.hpp"

#include <functional>

namespace gmemfs {

/// Calls `changed` on GLib's main loop: at once after a change, then not for a while, so that the watch takes at most a
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
