// Session: a peer's connection to the broker, and the lease that it holds there.
#pragma once

#include "client/protocol.hpp"
#include "vmm/base/fd.hpp"

#include <string>
#include <vector>

namespace gmemfs::client {

/// What an attach brought: the extents in file order, covering [0, allocated) without a gap, and what imports them.
struct Attached {
    std::uint64_t lease = 0;
    std::uint64_t size = 0, allocated = 0; ///< bytes
    std::vector<protocol::ExtentRecord> extents;
    std::vector<Fd> fds; ///< one for each extent that has no fabric handle, in order
};

/// Owner of one connection. Move-only. Not thread-safe.
class Session {
public:
    /// Connects to the broker of the mount that the open `file` lies in. ENOTTY: it is on no gmemfs mount.
    /// ECONNREFUSED, ENOENT: the broker isn't there, or not in this network namespace.
    static Result<Session> connect(const Fd &file, const std::string &path);
    /// EACCES, EBUSY, ENODATA, ENOTSUP, EUSERS: the broker's answer. ETIMEDOUT: it gave none for 30 s. EPROTO:
    /// nonsense.
    Result<Attached> attach(const Fd &file, std::uint32_t handle_types, std::uint32_t lease);
    Result<void> release(std::uint64_t lease);

private:
    explicit Session(Fd socket, std::string path) : socket_(std::move(socket)), path_(std::move(path)) {}
    Result<void> send(const void *message, std::size_t size);
    Result<protocol::AnswerPart> receive(std::vector<Fd> &fds);

    Fd socket_;
    std::string path_; // for messages
};

/// The value of an extended attribute of an open file, all its bytes; also of one that was opened with O_PATH.
Result<std::string> read_attribute(const Fd &file, const char *name);

/// The driver's library: `chosen`, or $GMEMFS_DRIVER, or libcuda.so.1.
std::string driver_library(const char *chosen);

} // namespace gmemfs::client
