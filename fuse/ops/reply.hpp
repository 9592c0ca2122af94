// Reply: answers one request of the kernel, once, in the structures of <linux/fuse.h>.
//
// A request is answered after every lock was released, because the answer may free the inode and its lock. A request
// that is never answered is a bug: the destructor answers it with EIO. Sending the answer counts the request. With
// --debug the destructor logs a line of it.
#pragma once

#include "fuse/core/names/inode.hpp"
#include "fuse/host/stats.hpp"

#include <fuse_lowlevel.h>

#include <cstdint>
#include <initializer_list>
#include <span>
#include <string>
#include <sys/uio.h>

namespace gmemfs {

class Host;
class Server;
class Volume;

/// How long the kernel may trust what it was told, in seconds. That is long, because every change of a name or an
/// attribute comes through this kernel. Attributes of a growing file aren't trusted, because settling changes them.
inline constexpr double kTrusted = 3600;

/// Not thread-safe; lives on the stack of the operation that serves the request.
class Reply {
public:
    Reply(fuse_req_t request, Op op, InodeId inode);
    ~Reply();
    Reply(const Reply &) = delete;
    Reply &operator=(const Reply &) = delete;

    Server &server() const { return server_; }
    Host &host() const { return host_; }
    Volume &volume() const { return volume_; }
    fuse_req_t request() const { return request_; }
    Credentials who() const; ///< without supplementary groups and capabilities
    /// With supplementary groups, but for root, who needs none. They come from /proc, which takes some 20 us, so call
    /// this only where the answer may depend on them.
    Credentials who_with_groups() const;
    Credentials who_in_full() const; ///< with groups and capabilities, for root, too

    void done();                    ///< success, without data
    void none();                    ///< of forget, which has no answer
    void error(const Error &error); ///< logs it, too, where it is the server's or a device's fault
    void result(const Result<void> &result) { result ? done() : error(result.error()); }
    void attributes(const Attributes &attributes);
    void data(std::span<const std::byte> bytes);
    void written(std::size_t count);
    void copied(std::uint64_t count);   ///< at the most what `copy_max` allows
    std::uint64_t copy_max() const;     ///< bytes that the answer to the present copy_file_range can tell of
    void text(const std::string &text); ///< of readlink
    void value(std::string_view value, std::size_t room); ///< of an xattr, to a caller with `room` bytes for it
    void length(std::size_t length);                      ///< of an xattr, to a caller who asked with no room
    void space(const struct statvfs &space);
    void position(std::uint64_t offset);
    void control(std::span<const std::byte> bytes); ///< of ioctl
    void control_result(const Result<void> &result) { result ? control({}) : error(result.error()); }
    /// These give the kernel a lookup, or an open. False: the kernel no longer wants it, and the caller takes it back.
    [[nodiscard]] bool entry(const Attributes &attributes);
    [[nodiscard]] bool opened(std::uint64_t handle, int flags); ///< `flags`: open(2)'s
    [[nodiscard]] bool created(const Attributes &attributes, std::uint64_t handle, int flags);
    [[nodiscard]] bool entries(std::span<const char> bytes);
    void no_entry(); ///< of a lookup; the kernel remembers it
    struct stat to_stat(const Attributes &attributes) const;
    fuse_entry_param to_entry(const Attributes &attributes) const;

private:
    bool send(int code, std::initializer_list<iovec> body);

    const fuse_req_t request_;
    Server &server_;
    Host &host_;
    Volume &volume_;
    const Op op_;
    const InodeId inode_;
    std::int64_t start_ns_ = 0;
    int code_ = 0;
    bool is_answered_ = false;
};

double trusted_seconds(const Attributes &attributes);

} // namespace gmemfs
