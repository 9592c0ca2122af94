#include "fuse/broker/broker_socket.hpp"

#include "client/wire/protocol.hpp"
#include "fuse/mounts/mount_table.hpp"

#include <cstddef>
#include <cstdio>
#include <cstring>
#include <fcntl.h>
#include <sys/random.h>
#include <sys/socket.h>
#include <sys/syscall.h>
#include <sys/un.h>
#include <unistd.h>

namespace gmemfs {
namespace {

constexpr int kBacklog = 128;
constexpr unsigned kOpenTreeClone = 1; // OPEN_TREE_CLONE of <linux/mount.h>, which can't stand beside <sys/mount.h>

Result<Fd> listen_on(const sockaddr_un &address, socklen_t size) {
    Fd fd(::socket(AF_UNIX, SOCK_SEQPACKET | SOCK_CLOEXEC | SOCK_NONBLOCK, 0));
    if (!fd) return Error{errno, 0, "make the broker's socket"};
    // Each message names the process that sent it, because a child has its parent's connection. Accepted sockets
    // inherit the option.
    constexpr int kOn = 1;
    if (::setsockopt(fd.get(), SOL_SOCKET, SO_PASSCRED, &kOn, sizeof kOn) != 0)
        return Error{errno, 0, "have the broker's peers named"};
    if (::bind(fd.get(), reinterpret_cast<const sockaddr *>(&address), size) != 0)
        return Error{errno, 0, "bind the broker's socket"};
    if (::listen(fd.get(), kBacklog) != 0) return Error{errno, 0, "listen on the broker's socket"};
    return fd;
}

} // namespace

Result<BrokerSocket> BrokerSocket::bind_in_mount(const std::string &mount_point, const std::string &filesystem) {
    const Fd copy(
        static_cast<int>(::syscall(SYS_open_tree, AT_FDCWD, mount_point.c_str(), kOpenTreeClone | O_CLOEXEC)));
    if (!copy) return Error{errno, 0, "copy the mount for the broker's socket", mount_point};
    if (TRY(filesystem_number("/proc/self/fd/" + std::to_string(copy.get()))) != filesystem)
        return Error{ENOTCONN, 0, "bind the broker's socket", "something else is mounted at " + mount_point};
    sockaddr_un address = {};
    address.sun_family = AF_UNIX;
    std::snprintf(address.sun_path, sizeof address.sun_path, "/proc/self/fd/%d/%s", copy.get(),
        std::string(protocol::kSocketName).c_str());
    Fd fd = TRY(listen_on(address, sizeof address));
    return BrokerSocket{std::move(fd), mount_point + "/" + std::string(protocol::kSocketName)};
}

Result<BrokerSocket> BrokerSocket::bind_abstract() {
    std::uint64_t number[2];
    if (::getrandom(number, sizeof number, 0) != sizeof number) return Error{EIO, 0, "name the broker's socket"};
    sockaddr_un address = {};
    address.sun_family = AF_UNIX;
    const int length = std::snprintf(address.sun_path + 1, sizeof address.sun_path - 1, "gmemfs-%016jx%016jx",
        uintmax_t(number[0]), uintmax_t(number[1]));
    Fd fd = TRY(listen_on(address, static_cast<socklen_t>(offsetof(sockaddr_un, sun_path) + 1 + std::size_t(length))));
    return BrokerSocket{std::move(fd), std::string("@") + (address.sun_path + 1)};
}

Result<BrokerSocket> BrokerSocket::adopt(Fd fd, const std::string &mount_point) {
    sockaddr_un address = {};
    socklen_t size = sizeof address;
    int listens = 0;
    socklen_t listens_size = sizeof listens;
    const bool is_listener = ::getsockopt(fd.get(), SOL_SOCKET, SO_ACCEPTCONN, &listens, &listens_size) == 0 &&
                             listens != 0 &&
                             ::getsockname(fd.get(), reinterpret_cast<sockaddr *>(&address), &size) == 0 &&
                             address.sun_family == AF_UNIX && size > offsetof(sockaddr_un, sun_path) + 1;
    if (!is_listener) return Error{EINVAL, 0, "take over the broker's socket"};
    if (address.sun_path[0] != '\0')
        return BrokerSocket{std::move(fd), mount_point + "/" + std::string(protocol::kSocketName)};
    const std::string name(address.sun_path + 1, size - offsetof(sockaddr_un, sun_path) - 1);
    return BrokerSocket{std::move(fd), "@" + name};
}

} // namespace gmemfs
