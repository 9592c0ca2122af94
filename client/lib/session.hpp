// Session: a peer's connection to the broker, and the lease that it holds there.
#pragma once

#include "client/wire/protocol.hpp"
#include "vmm/base/fd.hpp"

#include <functional>
#include <set>
#include <string>
#include <sys/types.h>
#include <vector>

namespace gmemfs::client {

/// What an attach brought: the extents in file order, covering [0, allocated) without a gap, and what imports them.
struct Attached {
    std::uint64_t lease = 0;
    std::uint64_t size = 0, allocated = 0; ///< bytes
    std::vector<protocol::ExtentRecord> extents;
    std::vector<Fd> fds; ///< one for each extent that has no fabric handle, in order
};

/// One file of a directory.
struct AttachedEntry {
    std::string name; ///< in the directory
    int code = 0;     ///< 0, or why there is nothing of it in `attached`
    std::string text; ///< the broker's, where there is a code
    Attached attached;
};

/// Owner of one connection. Move-only. Not thread-safe.
///
/// A server that is replaced by another one goes on with its peers' connections; where it couldn't, because it died in
/// the middle of an answer, the session connects anew and asks once more, and who calls it notices nothing.
class Session {
public:
    /// Connects to the broker of the mount that the open `file` lies in. A mount whose server is just being replaced
    /// may have none for a moment: that is waited for, 3 s at the most. ENOTTY: it is on no gmemfs mount.
    /// ECONNREFUSED, ENOENT: the broker isn't there, or not in this network namespace.
    static Result<Session> connect(const Fd &file, const std::string &path);
    /// EACCES, EBUSY, ENODATA, ENOTSUP, EUSERS: the broker's answer. ETIMEDOUT: it gave none for 30 s. EPROTO:
    /// nonsense.
    /// `path`: for messages, as everywhere here.
    Result<Attached> attach(const Fd &file, const std::string &path, std::uint32_t handle_types, std::uint32_t lease);
    /// The same for every file in an open directory, one after the other, in one request. What concerns a single file
    /// is its entry's code. `take` gets each as it comes, asks nothing of this session, and says whether its lease is
    /// kept; a descriptor that it closes makes room for the next. ENOTDIR, EACCES: the directory. EUSERS: it has more
    /// files than a connection may lease. ECONNRESET: the server died after `take` had some of them; all of it may be
    /// asked for again.
    using Take = std::function<bool(AttachedEntry &)>;
    Result<void> attach_directory(const Fd &directory, const std::string &path, std::uint32_t handle_types,
        std::uint32_t lease, const Take &take);
    /// Also of a lease that another session of this process has, whose connection has ended. No error: it has ended.
    Result<void> release(std::uint64_t lease, const std::string &path);
    /// The broker has closed it, or is gone.
    bool has_hung_up() const;

private:
    explicit Session(std::string path) : path_(std::move(path)) {}
    Result<void> reconnect();
    template <typename Attempt>
    auto repeat(protocol::Attach request, const Attempt &attempt) -> decltype(attempt(request));
    Result<void> connect_to_broker(const std::string &address, const Fd &folder);
    Result<Attached> attach_once(const protocol::Attach &request);
    Result<void> attach_directory_once(const protocol::Attach &request, const Take &take);
    Result<void> release_once(std::uint64_t lease);
    Result<void> send(const void *message, std::size_t size);
    Result<protocol::Ticket> read_ticket(const Fd &file) const;
    Result<std::vector<std::byte>> receive(std::vector<Fd> &fds);
    Result<bool> add(AttachedEntry &entry, const protocol::AnswerPart &part, std::size_t fd_count) const;

    bool lacks_fds_ = false; // in what was received last
    Fd socket_;
    std::string path_;                // of the request, for messages
    std::string address_;             // the broker's, as the mount tells it
    std::string folder_;              // one that the socket is found in
    std::set<protocol::Ticket> lost_; // of what was asked for, and never answered: a lease may have been granted
};

/// What the kernel knows of an open file by itself: fstat(2) may ask the server.
struct Identity {
    dev_t mount;
    mode_t mode;
};
Result<Identity> identify(const Fd &file);

/// The value of an extended attribute of an open file, all its bytes; also of one that was opened with O_PATH.
Result<std::string> read_attribute(const Fd &file, const char *name);

/// `error` of the driver `library`, with what to set where the mount of the open file `at` uses another one: a peer of
/// a simulated mount needs the simulator.
Error name_driver(const Fd &at, const std::string &library, Error error);

} // namespace gmemfs::client
