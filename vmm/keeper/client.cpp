#include "vmm/keeper/client.hpp"

#include <cstring>
#include <poll.h>
#include <sys/socket.h>
#include <sys/time.h>
#include <unistd.h>

namespace gmemfs {
namespace {

using namespace keeper_protocol;

// A keeper that doesn't answer for so long is as good as dead. Creating 64 GiB takes 0.4 ms, exporting 0.9 ms (H200).
constexpr int kPatienceMs = 10000;

// One message, and at most one descriptor with it.
Result<std::vector<Fd>> receive_one(const Fd &socket, std::span<std::byte> bytes, std::size_t &size) {
    Result<Received> received = receive_message(socket.get(), bytes);
    if (!received && received.error().code == EAGAIN)
        return Error{ETIMEDOUT, 0, "hear from the keeper",
            "no answer for " + std::to_string(kPatienceMs / 1000) + " s: is it stopped? `gmemfs restart` when it runs"};
    if (!received) return Error{received.error().code, 0, "hear from the keeper"};
    if (received->size == 0) return Error{ECONNRESET, 0, "hear from the keeper", "it has ended"};
    if (received->is_cut || received->fds.size() > 1) return Error{EPROTO, 0, "hear from the keeper", "too much"};
    // The message is whole, and the keeper is well, so the connection stays.
    if (received->lacks_fds)
        return Error{EMFILE, 0, "take a descriptor from the keeper",
            "this process may open no more: raise RLIMIT_NOFILE where it is started"};
    size = received->size;
    return std::move(received->fds);
}

void set_patience(const Fd &socket) {
    const timeval limit = {kPatienceMs / 1000, 0};
    ::setsockopt(socket.get(), SOL_SOCKET, SO_RCVTIMEO, &limit, sizeof limit);
    ::setsockopt(socket.get(), SOL_SOCKET, SO_SNDTIMEO, &limit, sizeof limit);
}

Result<void> send(const Fd &socket, Operation operation, Request request, const Fd &passed) {
    request.operation = static_cast<std::uint32_t>(operation);
    const Fd *const fds[] = {&passed};
    return send_with_fds(socket.get(), std::as_bytes(std::span(&request, 1)), std::span(fds, passed ? 1 : 0));
}

} // namespace

Result<std::unique_ptr<KeeperClient>> KeeperClient::connect(const Driver &driver, Fd socket) {
    set_patience(socket);
    std::unique_ptr<KeeperClient> client(new KeeperClient(driver, std::move(socket)));
    const Reply reply = TRY(client->ask(Operation::hello, {}));
    client->nonce_ = reply.answer.nonce;
    client->can_listen_ = (reply.answer.flags & kCanListen) != 0;
    client->takes_donations_ = (reply.answer.flags & kTakesDonations) != 0;
    client->keeps_fds_ = (reply.answer.flags & kKeepsFds) != 0;
    return client;
}

Error KeeperClient::lost(const Error &why) {
    dead_ = true;
    return Error{EIO, 0, "ask the keeper",
        why.text() + "; files can be read and written, but none can grow or be exported: copy what matters, unmount, "
                     "and mount anew"};
}

Result<std::vector<Fd>> KeeperClient::exchange(
    Operation operation, Request request, std::span<std::byte> answer, std::size_t &size, const Fd &passed) {
    const Hold hold(mutex_);
    if (dead_) return lost(Error{ECONNRESET, 0, "hear from the keeper", "it has ended"});
    if (const Result<void> sent = send(socket_, operation, request, passed); !sent) return lost(sent.error());
    Result<std::vector<Fd>> fds = receive_one(socket_, answer, size);
    if (!fds && fds.error().code == ETIMEDOUT) is_late_ = true;
    std::uint32_t version = 0;
    if (fds && size >= sizeof version) std::memcpy(&version, answer.data(), sizeof version);
    if (fds && version != kVersion) fds = Error{EPROTO, 0, "hear from the keeper", "it speaks another version"};
    // After a missed answer the next request would get that answer, so no request follows.
    if (!fds && fds.error().code != EMFILE) return lost(fds.error());
    return fds;
}

Result<KeeperClient::Reply> KeeperClient::ask(Operation operation, Request request, const Fd &passed) {
    Reply reply;
    std::size_t size = 0;
    std::vector<Fd> fds =
        TRY(exchange(operation, request, std::as_writable_bytes(std::span(&reply.answer, 1)), size, passed));
    if (size != sizeof reply.answer) return lost(Error{EPROTO, 0, "hear from the keeper", "it says something else"});
    if (reply.answer.error != 0) {
        reply.answer.text.back() = '\0';
        return Error{reply.answer.error, reply.answer.driver, "ask the keeper", reply.answer.text.data()};
    }
    if (!fds.empty()) reply.fd = std::move(fds.front());
    return reply;
}

Result<Keeper::Id> KeeperClient::create(const DeviceInfo &device, std::uint64_t size) {
    const Reply reply = TRY(ask(Operation::create, {.size = size, .device_uuid = device.uuid}));
    const Hold hold(mutex_);
    if ((reply.answer.flags & kHasFabric) != 0) with_fabric_.insert(reply.answer.id);
    return Id(reply.answer.id);
}

Result<Keeper::Id> KeeperClient::donate(const DeviceInfo &device, std::uint64_t size, Fd memory) {
    if (!takes_donations_)
        return Error{ENOTSUP, 0, "give memory to the keeper", "it is an older program's: unmount, and mount anew"};
    return Id(TRY(ask(Operation::donate, {.size = size, .device_uuid = device.uuid}, memory)).answer.id);
}

Result<Fd> KeeperClient::ask_for_fd(Operation operation, Id id) {
    Reply reply = TRY(ask(operation, {.id = id}));
    if (!reply.fd) return lost(Error{EPROTO, 0, "hear from the keeper", "it gave no descriptor"});
    return std::move(reply.fd);
}

Result<Allocation> KeeperClient::import(Id id) {
    if (has_fabric(id)) {
        const Reply reply = TRY(ask(Operation::open_fabric, {.id = id}));
        Result<Allocation> imported = Allocation::import_fabric(driver_, reply.answer.fabric);
        if (imported) return imported; // else this process may not open the IMEX channel; a descriptor works always
    }
    const Fd fd = TRY(ask_for_fd(Operation::open, id));
    return Allocation::import_fd(driver_, fd);
}

Result<Mapping> KeeperClient::map(Id id, std::uint64_t size) {
    const Allocation imported = TRY(import(id));
    return Mapping::create_closed(driver_, imported, size); // which holds the memory from here on
}

void KeeperClient::release(Id id) {
    if (dead_) return;
    (void)ask(Operation::release, {.id = id}); // a keeper that can't hear this holds nothing any more
    const Hold hold(mutex_);
    with_fabric_.erase(id);
}

bool KeeperClient::has_fabric(Id id) {
    const Hold hold(mutex_);
    return with_fabric_.count(id) != 0;
}

Result<FabricHandle> KeeperClient::export_fabric(Id id) {
    return TRY(ask(Operation::export_fabric, {.id = id}))
    .answer.fabric;
}

Result<Fd> KeeperClient::export_fd(Id id) { return ask_for_fd(Operation::export_fd, id); }

Result<std::vector<Keeper::Held>> KeeperClient::list() {
    std::vector<Held> all;
    const auto page = std::make_unique<List>();
    do {
        std::size_t size = 0;
        const Request request = {.id = all.empty() ? 0 : all.back().id};
        TRY(exchange(Operation::list, request, std::as_writable_bytes(std::span(page.get(), 1)), size, {}));
        if (size != sizeof(List) || page->count > kListMax)
            return lost(Error{EPROTO, 0, "hear from the keeper", "it says something else"});
        const Hold hold(mutex_);
        for (const Listed &listed : std::span(page->extents).first(page->count)) {
            all.push_back({listed.id, listed.size, listed.device_uuid, (listed.flags & kIsExported) != 0});
            if ((listed.flags & kHasFabric) != 0) with_fabric_.insert(listed.id);
        }
    } while (page->count == kListMax);
    return all;
}

bool KeeperClient::is_dead() const {
    pollfd connection = {socket_.get(), 0, 0}; // POLLHUP comes unasked
    return (dead_ && !is_late_) || ::poll(&connection, 1, 0) != 0;
}

Result<void> KeeperClient::listen(const Fd &listener) {
    if (!can_listen_) return Error{ENOTSUP, 0, "give the keeper another socket", "it is an older program's"};
    TRY(ask(Operation::listen, {}, listener));
    return {};
}

void KeeperClient::tell(Operation operation, Request request, const Fd &passed) {
    if (dead_ || !keeps_fds_) return;
    const Hold hold(mutex_);
    const Result<void> sent = send(socket_, operation, request, passed);
    if (!sent && sent.error().code == EAGAIN) is_late_ = true;
    if (!sent && sent.error().code != ETOOMANYREFS) (void)lost(sent.error());
}

void KeeperClient::keep_fd(std::uint64_t number, Keep keep, const Fd &fd) {
    tell(Operation::keep_fd, {.id = number, .size = static_cast<std::uint64_t>(keep)}, fd);
}

void KeeperClient::drop_fds(std::uint64_t first, std::uint64_t count) {
    tell(Operation::drop_fds, {.id = first, .size = count}, {});
}

Result<std::map<std::uint64_t, Fd>> KeeperClient::kept_fds() {
    std::map<std::uint64_t, Fd> all;
    while (keeps_fds_) {
        Reply reply = TRY(ask(Operation::next_fd, {.id = all.empty() ? 0 : all.rbegin()->first}));
        if (!reply.fd) break;
        const auto [at, is_new] = all.emplace(reply.answer.id, std::move(reply.fd));
        if (!is_new || at != std::prev(all.end()))
            return lost(Error{EPROTO, 0, "hear from the keeper", "its descriptors are in no order"});
    }
    return all;
}

Result<void> KeeperClient::catch_up() {
    if (keeps_fds_) TRY(ask(Operation::next_fd, {.id = UINT64_MAX}));
    return {};
}

void KeeperClient::end() {
    if (!dead_.exchange(true))
        end_keeper(socket_);
    else if (is_late_)
        (void)send(socket_, Operation::end, {}, {}); // read when the keeper runs again
}

void end_keeper(const Fd &socket) {
    if (!send(socket, Operation::end, {}, {})) return; // the keeper has ended already
    // The answer, and then the end of the connection, which comes with the end of the process.
    std::array<std::byte, sizeof(Answer)> answer;
    set_patience(socket);
    while (::recv(socket.get(), answer.data(), answer.size(), 0) > 0) {}
}

} // namespace gmemfs
