// Broker, sharing: checks a request for a file, or for all files of a directory, and answers it.
#include "fuse/broker/broker.hpp"
#include "fuse/host/front.hpp"
#include "fuse/host/host.hpp"

#include <ctime>

namespace gmemfs {
namespace {

template <typename Head>
std::vector<std::byte> bytes_of(const Head &head) {
    const auto *const first = reinterpret_cast<const std::byte *>(&head);
    return {first, first + sizeof head};
}

protocol::Answer answer_of(const Error &error) {
    return protocol::make_answer(error.code, error.detail.empty() ? error.doing : error.detail);
}

protocol::ExtentRecord record_of(const File::Shared &shared) {
    protocol::ExtentRecord record = {.offset = shared.offset,
        .length = shared.extent->size(),
        .id = shared.extent->id(),
        .device = shared.extent->device().info().uuid,
        .handle_type = shared.fabric ? protocol::kFabric : protocol::kDescriptor,
        .reserved = 0,
        .fabric = {}};
    if (shared.fabric) record.fabric = *shared.fabric;
    return record;
}

// As many messages as the extents take, each with `head`, which begins with an Answer or is one. Descriptors are moved.
template <typename Head, typename Message>
void add_messages(const Head &head, std::span<File::Shared> shared, std::vector<Message> &messages) {
    std::size_t first = 0;
    do { // one message even without extents: it carries the error
        const std::size_t count = std::min(protocol::kExtentsPerMessage, shared.size() - first);
        Message message = {bytes_of(head), {}};
        for (File::Shared &one : shared.subspan(first, count)) {
            const std::vector<std::byte> record = bytes_of(record_of(one));
            message.bytes.insert(message.bytes.end(), record.begin(), record.end());
            if (!one.fabric) message.fds.push_back(std::move(one.fd));
        }
        auto answer = protocol::read_message<protocol::Answer>(message.bytes);
        answer.extent_count = static_cast<std::uint32_t>(shared.size());
        answer.first = static_cast<std::uint32_t>(first);
        answer.count = static_cast<std::uint32_t>(count);
        answer.header.size = static_cast<std::uint32_t>(message.bytes.size());
        std::memcpy(message.bytes.data(), &answer, sizeof answer);
        messages.push_back(std::move(message));
        first += count;
    } while (first < shared.size());
}

} // namespace

Broker::Message Broker::message_of(const protocol::Answer &answer) { return {bytes_of(answer), {}}; }
Broker::Message Broker::success() { return {bytes_of(protocol::make_answer(0, "")), {}}; }
Broker::Message Broker::refusal(const Error &error) { return {bytes_of(answer_of(error)), {}}; }

Result<std::vector<Broker::Message>> Broker::attach(Peer &peer, const protocol::AttachNear &wanted) {
    const InodeId id = TRY(tickets_.check(wanted.attach.ticket));
    const InodeRef inode = TRY(host_.volume().names().find(id));
    Granted shared = TRY(share(peer, inode, wanted));
    std::vector<Message> messages;
    add_messages(shared.answer, shared.extents, messages);
    return messages;
}

// What is in the directory now; each file is looked at when it is its turn, and may be gone by then.
Result<std::vector<Broker::Message>> Broker::list(Peer &peer, const protocol::Attach &attach) {
    const InodeId id = TRY(tickets_.check(attach.ticket));
    const InodeRef directory = TRY(host_.volume().names().find(id));
    if (!directory->is_directory()) return Error{ENOTDIR, 0, "attach", "only a directory has files to be mapped"};
    if (!directory->may_read_and_search(peer.who))
        return Error{EACCES, 0, "attach", "the directory's mode doesn't let this user list and search it: chmod it"};
    const std::size_t room = kBrokerLeasesPerPeerMax - lease_count_of(peer);
    Listing listing = {attach, {}};
    TRY(host_.volume().names().list(id, 0, UINT64_MAX, [&](const Namespace::Entry &entry) {
        if (entry.inode.is_file()) listing.files.emplace_back(entry.name, entry.inode.id());
        return listing.files.size() > room ? Namespace::Visit::stop : Namespace::Visit::next;
    }));
    if (listing.files.size() > room)
        return Error{EUSERS, 0, "attach",
            "the directory has more files than a connection may have leases, " +
                std::to_string(kBrokerLeasesPerPeerMax) + ": map some of them"};
    std::vector<Message> messages;
    if (listing.files.empty())
        messages.push_back(success());
    else
        peer.listing = std::move(listing);
    return messages;
}

void Broker::share_next(Peer &peer) {
    Listing &listing = *peer.listing;
    const auto &[name, id] = listing.files.at(listing.next);
    const Result<InodeRef> inode = host_.volume().names().find(id);
    Result<Granted> shared = inode ? share(peer, *inode, {listing.attach, {}}) : Result<Granted>(inode.error());
    if (!shared) shared = Granted{answer_of(shared.error()), {}};
    const auto file_count = static_cast<std::uint32_t>(listing.files.size());
    std::vector<Message> messages;
    add_messages(protocol::make_entry(shared->answer, listing.next, file_count, name), shared->extents, messages);
    for (Message &message : messages) peer.outgoing.push_back(std::move(message));
    if (++listing.next == file_count) peer.listing.reset();
    count();
}

Result<Broker::Granted> Broker::share(Peer &peer, const InodeRef &inode, const protocol::AttachNear &wanted) {
    const protocol::Attach &attach = wanted.attach;
    if (lease_count_of(peer) >= kBrokerLeasesPerPeerMax)
        return Error{EUSERS, 0, "attach", "this connection has as many leases as one may have"};
    if (!inode->is_file()) return Error{EINVAL, 0, "attach", "only a file can be mapped by peers"};
    // The check comes before the lease, because a user that may not have the file must not learn which processes do.
    TRY(inode->check_handle(peer.who));
    become_holder(peer);
    if ((attach.lease & protocol::kRepeated) != 0) end_lost(peer, inode->id());
    const bool is_exclusive = (attach.lease & protocol::kExclusiveLease) != 0;
    const bool is_write = (attach.lease & protocol::kWriteLease) != 0;
    const Leases::Id lease = TRY(leases_.grant(inode, is_write ? Leases::Use::write : Leases::Use::read,
        is_exclusive ? Leases::Sharing::exclusive : Leases::Sharing::shared, peer.holder));
    Result<Granted> shared = share(peer, inode, wanted, lease);
    if (!shared) leases_.release(lease);
    return shared;
}

Result<Broker::Granted> Broker::share(
    Peer &peer, const InodeRef &inode, const protocol::AttachNear &wanted, Leases::Id lease) {
    timespec now = {};
    ::clock_gettime(CLOCK_REALTIME, &now);
    constexpr File::ShareBy kWays[] = {File::ShareBy::fabric, File::ShareBy::fd, File::ShareBy::either};
    const bool will_move = inode->file()->moves_when_shared();
    const Caller caller = {peer.who, now, copiers_};
    const File::ShareBy way = kWays[wanted.attach.handle_types - 1];
    constexpr std::array<std::uint8_t, 16> kNowhere = {};
    Granted shared = {
        protocol::make_answer(0, ""),
        TRY(wanted.device == kNowhere ? host_.volume().share(caller, *inode, way)
                                      : host_.volume().share_near(caller, *inode, way, wanted.device))
    };
    if (will_move) front_.attributes_changed(inode->id()); // st_blocks, because the file takes more memory now
    shared.answer.lease = lease;
    shared.answer.size = inode->file()->size();
    std::vector<std::shared_ptr<Extent>> extents;
    for (const File::Shared &one : shared.extents) {
        shared.answer.allocated += one.extent->size();
        extents.push_back(one.extent);
    }
    TRY(leases_.keep(lease, std::move(extents)));
    return shared;
}

} // namespace gmemfs
