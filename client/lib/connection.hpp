// Connection: a process's one connection to the broker of a mount, which all of its mappings there share.
//
// The connection stays when the last mapping is gone, until the broker closes it 30 s later. So the next mapping
// needn't connect, and the keeper needn't be told of a new connection. A connection that has failed, or is full (the
// broker allows 65,536 leases a connection), isn't lent any more. A new one takes its place, and the old one's mappings
// keep it.
#pragma once

#include "client/lib/broker_session.hpp"
#include "vmm/base/lock.hpp"

#include <atomic>
#include <memory>

namespace gmemfs::client {

/// Thread-safe: requests go one at a time, as the protocol wants it.
class Connection {
public:
    explicit Connection(BrokerSession session) : session_(std::move(session)) {}

    /// Calls `call(session)` while no other thread uses the session.
    template <typename Call>
    auto use(const Call &call) EXCLUDES(mutex_) {
        const Hold hold(mutex_);
        auto result = call(session_);
        if (!result && is_end(result.error().code)) end_ = result.error().code;
        return result;
    }
    /// Returns success also where the server can't be told, because the lease then ends with this process, or has
    /// ended. A server that has stopped answering isn't asked again, because every request would wait.
    Result<void> release(std::uint64_t lease, const std::string &path);
    /// Whether the broker has closed the connection. Waits while another thread uses it.
    bool has_hung_up() EXCLUDES(mutex_);
    /// False once the connection has failed: the next answer may be that to an earlier request.
    bool is_sound() const { return end_ == 0; }

    /// Whether, after `error`, a connection that was lent is to be replaced, and the request made once more.
    static bool is_worn(const Error &error) {
        return error.code == ECONNRESET || error.code == EPIPE || error.code == ENOTCONN || error.code == EUSERS;
    }

private:
    static bool is_end(int code) {
        return code == ECONNRESET || code == EPIPE || code == ETIMEDOUT || code == EPROTO || code == ENOTCONN;
    }

    Mutex mutex_;
    BrokerSession session_ GUARDED_BY(mutex_);
    std::atomic<int> end_ = 0; // the errno that it has failed with; 0: it works
};

/// A connection, and whether anybody has used it before.
struct Lent {
    std::shared_ptr<Connection> connection;
    enum class Age { fresh, used } age;
};

/// The process's connection to the mount of `file`, made where there is none. Each user and group that the process runs
/// as has a connection of its own, because the broker looks at the credentials of a connection. Errors: see
/// BrokerSession::connect.
Result<Lent> lend_connection(const Fd &file, const std::string &path);
/// Whether there is a connection to the mount of `file` that is in use, or that the broker hasn't closed. Asks nobody.
bool is_connected(const Fd &file);
/// A new connection in place of `worn`, or the one that another thread has put there meanwhile.
Result<Lent> replace_connection(const Fd &file, const std::string &path, const std::shared_ptr<Connection> &worn);

/// Calls `call(connection)`, and once more on a new connection where the first one turns out to be worn.
template <typename Call>
auto on_connection(const Fd &file, const std::string &path, const Call &call)
    -> decltype(call(std::shared_ptr<Connection>())) {
    const Lent lent = TRY(lend_connection(file, path));
    auto result = call(lent.connection);
    if (result || lent.age == Lent::Age::fresh || !Connection::is_worn(result.error())) return result;
    const Lent fresh = TRY(replace_connection(file, path, lent.connection));
    return call(fresh.connection);
}

} // namespace gmemfs::client
