// BrokerSession: speaks the broker's protocol over one connection, and connects anew where the server was replaced.
#pragma once

#include "client/wire/protocol.hpp"
#include "vmm/base/fd.hpp"
#include "vmm/base/function_view.hpp"

#include <set>
#include <string>
#include <sys/types.h>
#include <vector>

namespace gmemfs::client {

/// The broker's answer to an attach: the extents in file order, covering [0, allocated) without a gap, and the
/// descriptors that import them.
struct Attached {
    std::uint64_t lease = 0;
    std::uint64_t size = 0, allocated = 0; ///< bytes
    std::vector<protocol::ExtentRecord> extents;
    std::vector<Fd> fds; ///< one for each extent that has no fabric handle, in order
};

/// One file of a directory.
struct AttachedEntry {
    std::string name; ///< in the directory
    int code = 0;     ///< 0, or the errno; then `attached` is empty
    std::string text; ///< the broker's, where there is a code
    Attached attached;
};

/// Owner of one connection. Move-only. Not thread-safe.
///
/// The next server goes on with its peers' connections. Where it can't, because the last one died in the middle of an
/// answer, the session connects anew and asks once more. Callers notice nothing.
class BrokerSession {
public:
    /// Connects to the broker of the mount that the open `file` lies in. While a server is being replaced there may be
    /// no broker for a moment; this waits for it, 3 s at the most. ENOTTY: the file is on no gmemfs mount.
    /// ECONNREFUSED, ENOENT: there is no broker, or none in this network namespace.
    static Result<BrokerSession> connect(const Fd &file, const std::string &path);
    /// Takes a lease. EACCES, EBUSY, ENODATA, ENOTSUP, EUSERS: the broker's answer. ETIMEDOUT: the broker gave none for
    /// 30 s. EPROTO: its answer is nonsense. `path` is for messages, as everywhere here.
    Result<Attached> attach(const Fd &file, const std::string &path, std::uint32_t handle_types, std::uint32_t lease);
    /// The same of a file whose ticket another process has passed on.
    Result<Attached> attach(
        const protocol::Ticket &ticket, const std::string &path, std::uint32_t handle_types, std::uint32_t lease);
    /// The same for reading, of the copy that the file has on a device, by its UUID; else of the file's own memory.
    Result<Attached> attach_near(const Fd &file, const std::string &path, std::uint32_t handle_types,
        std::uint32_t lease, const std::array<std::uint8_t, 16> &device);
    /// The same for every file in an open directory, one after the other, in one request. An error of a single file is
    /// its entry's code. `take` gets each entry as it comes, asks nothing of this session, and returns whether the
    /// lease is kept. A descriptor that `take` closes makes room for the next one. ENOTDIR, EACCES: the directory can't
    /// be listed. EUSERS: it has more files than a connection may lease. ECONNRESET: the server died after `take` had
    /// got some entries; make the whole request again.
    using Take = FunctionView<bool(AttachedEntry &)>;
    Result<void> attach_directory(
        const Fd &directory, const std::string &path, std::uint32_t handle_types, std::uint32_t lease, Take take);
    /// What goes with a donation: views of the descriptor of memory that this process has made, and of the one of its
    /// table of blocks (client/wire/block_table.hpp), which may be none.
    struct Donated {
        const Fd &memory, &blocks;
    };
    /// Makes a file of memory that this process has made; the donation has no ticket yet. The
    /// lease on it. ENOSPC, EDQUOT, EEXIST, EACCES: the broker's answer. EPROTO: its server is of a version before.
    Result<std::uint64_t> donate(
        const Fd &directory, const std::string &path, protocol::Donate donation, const Donated &donated);
    /// Ends a lease; also one of another session of this process whose connection has ended. A lease that has ended
    /// already is no error.
    Result<void> release(std::uint64_t lease, const std::string &path);
    /// Whether the broker has closed the connection, or is gone.
    bool has_hung_up() const;

private:
    explicit BrokerSession(std::string path) : path_(std::move(path)) {}
    Result<void> reconnect();
    template <typename Attempt>
    auto repeat(protocol::Attach request, const Attempt &attempt) -> decltype(attempt(request));
    Result<void> connect_to_broker(const std::string &address, const Fd &folder);
    Result<Attached> attach_once(const protocol::Attach &request);
    Result<Attached> take_attached();
    Result<void> attach_directory_once(const protocol::Attach &request, Take take);
    Result<std::uint64_t> donate_once(const protocol::Donate &donation, const Donated &donated);
    Result<void> release_once(std::uint64_t lease);
    Result<void> send(const void *message, std::size_t size);
    Result<protocol::Ticket> read_ticket(const Fd &file) const;
    Result<std::vector<std::byte>> receive(std::vector<Fd> &fds);
    Result<bool> add(AttachedEntry &entry, const protocol::AnswerPart &part, std::size_t fd_count) const;

    bool lacks_fds_ = false; // in the message that was received last
    Fd socket_;
    std::string path_;                // of the request, for messages
    std::string address_;             // the broker's, from the mount's attribute
    std::string folder_;              // a folder that has the socket in it
    std::set<protocol::Ticket> lost_; // of requests that were never answered: a lease may have been granted
};

/// What the kernel knows of an open file without asking the server, as fstat(2) may do.
struct Identity {
    dev_t mount;
    mode_t mode;
};
Result<Identity> identify(const Fd &file);

/// The value of an extended attribute of an open file, all its bytes. The file may be opened with O_PATH.
Result<std::string> read_attribute(const Fd &file, const char *name);

/// Adds to `error`, of the driver `library`, what to set where the mount of the open file `at` uses another driver. A
/// peer of a simulated mount needs the simulator.
Error name_driver(const Fd &at, const std::string &library, Error error);

} // namespace gmemfs::client
