#include "client/lib/connection.hpp"

#include <iterator>
#include <map>
#include <tuple>
#include <unistd.h>

namespace gmemfs::client {
namespace {

using Key = std::tuple<dev_t, uid_t, gid_t>; // the mount's st_dev; user and group of this process

struct Connections {
    Mutex mutex;
    std::map<Key, std::shared_ptr<Connection>> all GUARDED_BY(mutex);
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

// No mapping needs it, and the broker has closed it: its key may be another mount's by now.
bool is_left(const std::shared_ptr<Connection> &there) { return there.use_count() == 1 && there->has_hung_up(); }

// The one of the key, unless it is `worn` or has failed. One that is_left() is dropped.
std::shared_ptr<Connection> find(const Key &key, const std::shared_ptr<Connection> &worn) {
    const Hold hold(connections().mutex);
    const auto found = connections().all.find(key);
    if (found == connections().all.end()) return nullptr;
    const std::shared_ptr<Connection> &there = found->second;
    if (is_left(there))
        connections().all.erase(found);
    else if (there->is_sound() && there != worn)
        return there;
    return nullptr;
}

Result<Lent> connect(const Fd &file, const std::string &path, const Key &key, const std::shared_ptr<Connection> &worn) {
    // Without the lock: it waits for the server.
    const auto made = std::make_shared<Connection>(TRY(BrokerSession::connect(file, path)));
    const Hold hold(connections().mutex);
    std::map<Key, std::shared_ptr<Connection>> &all = connections().all;
    for (auto each = all.begin(); each != all.end();) // of other mounts, too, which may never be asked for again
        each = is_left(each->second) ? all.erase(each) : std::next(each);
    std::shared_ptr<Connection> &place = all[key];
    if (place && place->is_sound() && place != worn) return Lent{place, Lent::Age::used}; // another thread was first
    place = made;
    return Lent{made, Lent::Age::fresh};
}

} // namespace

Result<void> Connection::release(std::uint64_t lease, const std::string &path) {
    if (end_ == ETIMEDOUT || end_ == EPROTO) return {};
    const Result<void> released = use([&](BrokerSession &session) { return session.release(lease, path); });
    return !released && !is_sound() ? Result<void>() : Result<void>(released);
}

bool Connection::has_hung_up() {
    const Hold hold(mutex_);
    return session_.has_hung_up();
}

bool is_connected(const Fd &file) {
    const Result<Key> key = key_of(file, "");
    return key && find(*key, nullptr) != nullptr;
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
