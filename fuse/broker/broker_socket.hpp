// BrokerSocket: the listening socket, bound inside the mount itself where the server may, and where it is found.
//
// A container that sees nothing of the host but the mount finds the socket in it: connect(2) on `.gmemfs.socket` in any
// directory. bind(2) makes the kernel ask this very server for the name, so workers must run meanwhile.
//
// A bound socket holds a reference to the mount that it was bound through, and so would make every unmount EBUSY.
// Therefore it is bound through a private copy of the mount (open_tree), which nobody sees and nobody unmounts; the
// copy keeps the filesystem alive after the visible mount has gone, so who holds this watches the table of mounts, and
// lets go when the mount isn't in it any more. Copying a mount needs CAP_SYS_ADMIN: an ordinary user's mount gets an
// abstract socket, found by the attribute `user.gmemfs.socket`, in the same network namespace.
#pragma once

#include "vmm/base/fd.hpp"

#include <string>

namespace gmemfs {

/// Owner of the listening socket. Move-only. Not thread-safe.
struct BrokerSocket {
    Fd fd;
    std::string address; ///< a path, or "@NAME" for an abstract socket: the value of `user.gmemfs.socket`

    /// Listens inside the mount; EPERM: no right to copy a mount.
    static Result<BrokerSocket> bind_in_mount(const std::string &mount_point, const std::string &filesystem);
    /// One that a server before this one bound, for the same mount. It listens all the time: who connects waits in its
    /// queue. EINVAL: it is no such socket.
    static Result<BrokerSocket> adopt(Fd fd, const std::string &mount_point);
    /// Listens on a name of the network namespace that nobody can guess.
    static Result<BrokerSocket> bind_abstract();
};

} // namespace gmemfs
