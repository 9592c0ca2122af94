// Broker, donations: files of memory that a peer has made itself, and their end.
#include "client/wire/process_folder.hpp"
#include "fuse/broker/broker.hpp"
#include "fuse/broker/donated_memory.hpp"
#include "fuse/host/front.hpp"
#include "fuse/host/host.hpp"
#include "fuse/host/log.hpp"

#include <algorithm>
#include <ctime>
#include <string>
#include <utility>

namespace gmemfs {
namespace {

using Places = std::vector<Namespace::Place>;

timespec now() {
    timespec time = {};
    ::clock_gettime(CLOCK_REALTIME, &time);
    return time;
}

} // namespace

Result<protocol::Answer> Broker::donate(Peer &peer, const protocol::Donate &donation) {
    Volume &volume = host_.volume();
    if (lease_count_of(peer) >= kBrokerLeasesPerPeerMax)
        return Error{EUSERS, 0, "take memory", "this connection has as many leases as one may have"};
    const std::string name(donation.name.data());
    const InodeId home = TRY(tickets_.check(donation.ticket));
    become_holder(peer);
    // Also where no memory can be had: an empty directory goes with its process.
    const Result<InodeRef> folder = volume.names().find(home);
    const bool may_make = folder && (*folder)->may_write_and_search(peer.who);
    if ((donation.flags & protocol::kOwnDirectory) != 0 && may_make) peer.own_directory = home;
    const bool is_repeated = (donation.flags & protocol::kRepeated) != 0;
    if (is_repeated || peer.is_adopted) end_unfinished(peer, home, name);
    Result<DonatedFds> sent = peek_memory(peer.socket.get());
    if (!sent) return Error(sent.error());
    const Result<InodeRef> made = volume.take_donation(
        {peer.who, now(), copiers_}, home, name, {donation.device, donation.size, std::move(sent->memory)});
    if (!made) return Error(made.error());
    const auto bond = (donation.flags & protocol::kKeepAtEnd) != 0 ? Leases::Bond::keep : Leases::Bond::drop;
    const Leases::Id lease = leases_.grant_donor(*made, home, bond, peer.holder);
    name_changed(home, name);
    const Result<void> kept = leases_.keep(lease, {});
    if (!kept) {
        end_lease(lease);
        return Error(kept.error());
    }
    if (sent->blocks && !peer.blocks) keep_blocks(peer, std::move(sent->blocks));
    blocks_.add((*made)->id(), lease, peer.blocks);
    protocol::Answer answer = protocol::make_answer(0, "");
    answer.lease = lease;
    answer.size = answer.allocated = donation.size;
    return answer;
}

// What a server before this one has made of the request, when it died.
void Broker::end_unfinished(const Peer &peer, InodeId home, const std::string &name) {
    Namespace &names = host_.volume().names();
    const Result<InodeRef> before = names.lookup(home, name);
    if (!before) return;
    const InodeRef inode = *before;
    names.forget(inode->id(), 1);
    end_lost(peer, inode->id());
    const Result<InodeRef> above = names.find(home);
    const bool is_its = above && (*above)->may_write_and_search(peer.who) && inode->is_file() &&
                        inode->attributes().uid == peer.who.uid && !inode->is_in_use;
    if (is_its) (void)drop_file({inode, home, Leases::Bond::none}); // it had no lease yet
}

// The kernel is told by the main loop, which runs when workers do: it waits until nobody else changes names in the
// directory, and a process that does so may itself be waiting for the first worker after a restart.
void Broker::name_changed(InodeId parent, const std::string &name) {
    changed_names_.push_back({parent, name});
    if (tells_names_ != 0) return;
    tells_names_ = g_timeout_add(
        0,
        [](gpointer data) -> gboolean {
            static_cast<Broker *>(data)->tells_names_ = 0;
            static_cast<Broker *>(data)->tell_names();
            return G_SOURCE_REMOVE;
        },
        this);
}

void Broker::tell_names() {
    for (const Namespace::Place &place : std::exchange(changed_names_, {})) {
        front_.name_changed(place.parent, place.name);
        front_.attributes_changed(place.parent);
    }
}

// Of a lease with a bond the peer has freed the memory, so its file goes, too. It goes first: a server that dies
// between leaves the lease to the next one, which is asked again.
void Broker::end_lease(Leases::Id lease) {
    if (const Leases::Donated donated = leases_.donated(lease); donated.inode) {
        blocks_.remove(donated.inode->id());
        (void)drop_file(donated);
    }
    leases_.release(lease);
}

// At once, whoever has it open: the bytes were a process's, which has given them back. Where its names were. The memory
// goes before the last name: what the journal hears of an inode after that would be of none.
std::vector<Namespace::Place> Broker::drop_file(const Leases::Donated &donated) {
    Namespace &names = host_.volume().names();
    donated.inode->is_in_use = false;
    if (const Result<void> emptied = donated.inode->file()->resize(copiers_, 0); !emptied)
        log(LogLevel::warning, "broker", emptied.error(), "a file of a process that has ended");
    Places places = names.names_of(donated.inode->id(), donated.home);
    for (const Namespace::Place &place : places) {
        if (const Result<void> gone = names.unlink(place.parent, place.name, {now()}); !gone)
            log(LogLevel::warning, "broker", gone.error(), place.name + " stays although its process has ended");
        name_changed(place.parent, place.name);
    }
    return places;
}

// The files of a process that has ended, as each one's bond has it, and their directory where no file is left in it.
void Broker::end_donations(Peer &peer, std::span<const Leases::Donated> ended) {
    InodeId home = peer.own_directory;
    for (const Leases::Donated &donated : ended) {
        if (donated.bond != Leases::Bond::drop) continue;
        for (const Namespace::Place &place : drop_file(donated))
            if (home == 0) home = find_home(peer, place.parent);
    }
    const bool still_runs = peer.process.is_known() && !peer.process.has_ended() && !peer.process.has_left_memory();
    if (home == 0) return;
    if (!still_runs) return remove_empty(home);
    // A process that is about to end looks alive for as long as anybody looks into its memory.
    const auto is_known = [&](const Leaving &other) {
        return other.home == home && other.process.is_same(peer.process);
    };
    if (std::ranges::any_of(leaving_, is_known)) return;
    Leaving &leaving = leaving_.emplace_back(*this, home, std::move(peer.process));
    leaving.end = FdSource(
        leaving.process.fd(), G_IO_IN,
        [](gint, GIOCondition, gpointer data) -> gboolean {
            auto &self = *static_cast<Leaving *>(data);
            Broker &broker = self.broker;
            broker.remove_empty(self.home);
            broker.leaving_.remove_if([&](const Leaving &other) { return &other == &self; });
            return G_SOURCE_CONTINUE;
        },
        &leaving);
}

// The process's directory, which `folder` is or lies in; 0: it doesn't. After a restart only its name, PROGRAM.PID,
// tells that it is that: files may have been moved.
InodeId Broker::find_home(const Peer &peer, InodeId folder) {
    constexpr int kDepthMost = 64;
    for (int depth = 0; peer.pid != 0 && depth < kDepthMost && folder != kRootInode; ++depth) {
        const Places places = host_.volume().names().names_of(folder, 0);
        if (places.empty()) return 0;
        if (process_of(places.front().name) == peer.pid) return folder;
        folder = places.front().parent;
    }
    return 0;
}

// The directory, and the empty ones in it, which names of tensors were in, where nothing else is.
void Broker::remove_empty(InodeId home) {
    constexpr std::size_t kFoldersMost = 1000; // of more, some stay, and so does the directory
    Namespace &names = host_.volume().names();
    Places folders = names.names_of(home, 0);
    std::vector<InodeId> inside = {home}; // in the order of `folders`, each before what is in it
    for (std::size_t index = 0; index < inside.size(); ++index)
        (void)names.list(inside[index], 0, UINT64_MAX, [&](const Namespace::Entry &entry) {
            const bool is_inner = entry.inode.is_directory() && entry.name != "." && entry.name != "..";
            if (is_inner) folders.push_back({inside[index], std::string(entry.name)});
            if (is_inner) inside.push_back(entry.inode.id());
            return inside.size() < kFoldersMost ? Namespace::Visit::next : Namespace::Visit::stop;
        });
    for (auto place = folders.rbegin(); place != folders.rend(); ++place)
        if (names.rmdir(place->parent, place->name, {now()})) name_changed(place->parent, place->name);
}

} // namespace gmemfs
