#include "block/ublk/ring.hpp"

#include <sys/syscall.h>
#include <unistd.h>

namespace gmemfs::block::ublk {

Result<Ring> Ring::create(unsigned entries, unsigned flags) {
    io_uring_params parameters = {};
    parameters.flags = flags;
    io_uring ring = {};
    const int status = io_uring_queue_init_params(entries, &ring, &parameters);
    if (status == 0) return Ring(ring);
    const char *what_to_do = "io_uring_setup(2) has the reasons";
    if (status == -EPERM)
        what_to_do = "sysctl kernel.io_uring_disabled=0, as root; in a container its seccomp profile must allow it";
    if (status == -ENOSYS) what_to_do = "this kernel has no io_uring (CONFIG_IO_URING)";
    if (status == -EINVAL) what_to_do = "this kernel's io_uring is too old: Linux 6.1 or later";
    if (status == -ENOMEM) what_to_do = "more memory may have to be locked: ulimit -l unlimited";
    return Error{-status, 0, "make an io_uring", what_to_do};
}

Result<void> Ring::enable() {
    // io_uring_enable_rings(), which liburing 2.3 declares and doesn't export.
    if (::syscall(SYS_io_uring_register, ring_.ring_fd, IORING_REGISTER_ENABLE_RINGS, nullptr, 0) < 0)
        return Error{errno, 0, "begin with io_uring"};
    return {};
}

} // namespace gmemfs::block::ublk
