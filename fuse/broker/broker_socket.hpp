// BrokerSocket: the broker's listening socket, bound inside the mount where the server may do that.
//
// A container that sees nothing of the host but the mount connects to `.gmemfs.socket` in any directory of the mount.
// bind(2) makes the kernel ask this very server for the name, so workers must run meanwhile.
//
// A bound socket holds a reference to the mount that it was bound through, and so would make every unmount EBUSY.
// Therefore the socket is bound through a private copy of the mount (open_tree), which nobody sees and nobody unmounts.
// The copy keeps the filesystem alive after the visible mount has gone. So the owner of this socket watches the table
// of mounts, and closes the socket when the mount isn't in the table any more. Copying a mount needs CAP_SYS_ADMIN. An
// ordinary user's mount gets an abstract socket, which peers of the same network namespace find by the attribute
// `user.gmemfs.socket`.
#pragma once

#include "vmm/base/fd.hpp"

#include <string>

namespace gmemfs {

/// Owner of the listening socket. Move-only. Not thread-safe.
struct BrokerSocket {
    Fd fd;
    std::string address; ///< a path, or "@NAME" for an abstract socket: the value of `user.gmemfs.socket`

    /// Listens inside the mount. EPERM: this process may not copy a mount.
    static Result<BrokerSocket> bind_in_mount(const std::string &mount_point, const std::string &filesystem);
    /// The socket that a server before this one bound for the same mount. It has listened all the time, so peers that
    /// connected meanwhile wait in its queue. EINVAL: `fd` is no such socket.
    static Result<BrokerSocket> adopt(Fd fd, const std::string &mount_point);
    /// Listens on an abstract name that nobody can guess.
    static Result<BrokerSocket> bind_abstract();
};

} // namespace gmemfs
