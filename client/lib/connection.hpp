// Connection: the one connection that a process has to the broker of a mount, shared by all of its mappings there.
//
// It stays when the last mapping is gone, until the broker closes it (30 s later): the next one needn't connect, nor be
// told of to the keeper. It is no longer lent once it has failed or is full (the broker allows 65,536 leases a
// connection): then a new one takes its place, and the old one's mappings keep it.
#pragma once

#include "client/lib/session.hpp"
#include "vmm/base/lock.hpp"

#include <atomic>
#include <memory>

namespace gmemfs::client {

/// Thread-safe: one request at a time, as the protocol has it.
class Connection {
public:
    explicit Connection(Session session) : session_(std::move(session)) {}

    /// Calls `call(session)`, while nobody else uses it.
    template <typename Call>
    auto use(const Call &call) EXCLUDES(mutex_) {
        const Hold hold(mutex_);
        auto result = call(session_);
        if (!result && is_end(result.error().code)) end_ = result.error().code;
        return result;
    }
    /// Success as well where the server can't be told: the lease ends with this process, or has ended. One that stopped
    /// answering isn't asked again, for each question to it waits.
    Result<void> release(std::uint64_t lease, const std::string &path);
    /// The broker has closed it. Waits while it is in use.
    bool has_hung_up() EXCLUDES(mutex_);
    /// False once it has failed: what comes by it next may be the answer to an earlier request.
    bool is_sound() const { return end_ == 0; }

    /// Whether a connection that was lent is to be replaced, and the request made once more.
    static bool is_worn(const Error &error) {
        return error.code == ECONNRESET || error.code == EPIPE || error.code == ENOTCONN || error.code == EUSERS;
    }

private:
    static bool is_end(int code) {
        return code == ECONNRESET || code == EPIPE || code == ETIMEDOUT || code == EPROTO || code == ENOTCONN;
    }

    Mutex mutex_;
    Session session_ GUARDED_BY(mutex_);
    std::atomic<int> end_ = 0; // the errno it has failed with
};

/// A connection, and whether anybody has used it before.
struct Lent {
    std::shared_ptr<Connection> connection;
    enum class Age { fresh, used } age;
};

/// The process's connection to the mount of `file`, made where there is none. Another one for another user or group,
/// because the broker asks who has connected. Errors as of Session::connect.
Result<Lent> lend_connection(const Fd &file, const std::string &path);
/// Whether there is one to the mount of `file`, in use, or not closed by the broker. Nobody is asked.
bool is_connected(const Fd &file);
/// A new one in place of `worn`, or what another thread has put there meanwhile.
Result<Lent> replace_connection(const Fd &file, const std::string &path, const std::shared_ptr<Connection> &worn);

/// Calls `call(connection)`, and once more on a new one where the first turns out to be worn.
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
