#include "client/connection.hpp"

#include <map>
#include <tuple>
#include <unistd.h>

namespace gmemfs::client {
namespace {

using Key = std::tuple<dev_t, uid_t, gid_t>; // the mount's device number, as stat(2) tells it, and who connects

struct Connections {
    Mutex mutex;
    std::map<Key, std::weak_ptr<Connection>> all GUARDED_BY(mutex);
};

Connections &connections() {
    static auto *const only = new Connections; // never destroyed: static objects and threads unmap when main has ended
    return *only;
}

Result<Key> key_of(const Fd &file, const std::string &path) {
    const Result<Identity> identity = identify(file);
    if (!identity) return Error{identity.error().code, 0, "stat file", path};
    return Key(identity->mount, ::geteuid(), ::getegid());
}

// The one of the key, unless it is `worn` or has failed.
std::shared_ptr<Connection> find(const Key &key, const std::shared_ptr<Connection> &worn) {
    const Hold hold(connections().mutex);
    const auto found = connections().all.find(key);
    const std::shared_ptr<Connection> there = found == connections().all.end() ? nullptr : found->second.lock();
    return there && there->is_sound() && there != worn ? there : nullptr;
}

Result<Lent> connect(const Fd &file, const std::string &path, const Key &key, const std::shared_ptr<Connection> &worn) {
    // Without the lock: it waits for the server.
    const auto made = std::make_shared<Connection>(TRY(Session::connect(file, path)));
    const Hold hold(connections().mutex);
    std::weak_ptr<Connection> &place = connections().all[key];
    const std::shared_ptr<Connection> there = place.lock();
    if (there && there->is_sound() && there != worn) return Lent{there, Lent::Age::used}; // another thread was first
    place = made;
    return Lent{made, Lent::Age::fresh};
}

} // namespace

Result<void> Connection::release(std::uint64_t lease) {
    if (end_ == ETIMEDOUT || end_ == EPROTO) return {};
    const Result<void> released = use([&](Session &session) { return session.release(lease); });
    return !released && !is_sound() ? Result<void>() : Result<void>(released);
}

Result<Lent> lend_connection(const Fd &file, const std::string &path) {
    const Key key = TRY(key_of(file, path));
    if (std::shared_ptr<Connection> there = find(key, nullptr)) return Lent{std::move(there), Lent::Age::used};
    return connect(file, path, key, nullptr);
}

Result<Lent> replace_connection(const Fd &file, const std::string &path, const std::shared_ptr<Connection> &worn) {
    const Key key = TRY(key_of(file, path));
    return connect(file, path, key, worn);
}

} // namespace gmemfs::client
