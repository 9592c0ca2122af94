// Broker, watching: peers that wait for another generation of a file.
//
// A change says only that there was one (ChangeNotice). The main loop then looks what each waiter's name stands for,
// and answers those that know another generation. Between two of its turns any number of changes are one.
#include "fuse/broker/broker.hpp"
#include "fuse/host/host.hpp"

#include <sys/socket.h>

namespace gmemfs {

Result<void> Broker::look_for_changes() {
    const int fd = TRY(host_.volume().storage().notice().open());
    looks_for_changes_ = FdSource(
        fd, G_IO_IN,
        [](gint, GIOCondition, gpointer data) -> gboolean {
            static_cast<Broker *>(data)->tell_watchers();
            return G_SOURCE_CONTINUE;
        },
        this);
    return {};
}

// No message yet: the peer waits. It counts as a waiter before anybody looks for it, so no change is missed.
Result<std::vector<Broker::Message>> Broker::watch(Peer &peer, const protocol::Watch &watch) {
    Watching watching = {watch, ChangeNotice::Waiter(host_.volume().storage().notice())};
    const std::optional<protocol::Changed> changed = TRY(look(peer, watch));
    std::vector<Message> messages;
    if (changed)
        messages.push_back(message_of(*changed));
    else
        peer.watching.emplace(std::move(watching));
    return messages;
}

// Nothing where the peer knows what there is. Rights are looked at each time, as those of the name's file now.
Result<std::optional<protocol::Changed>> Broker::look(const Peer &peer, const protocol::Watch &watch) const {
    const Namespace &names = host_.volume().names();
    const std::uint64_t paths = host_.volume().storage().notice().paths();
    const auto anew = std::optional(protocol::make_changed(0, paths));
    const InodeId id = TRY(tickets_.check(watch.ticket));
    const Result<InodeRef> directory = names.find(id);
    if (!directory || (*directory)->links() == 0) return anew;
    if (!(*directory)->is_directory()) return Error{ENOTDIR, 0, "wait", "the ticket is no directory's"};
    if (!(*directory)->may_read_and_search(peer.who))
        return Error{EACCES, 0, "wait", "the directory's mode doesn't let this user list and search it: chmod it"};
    const Result<InodeRef> found = names.look(id, watch.name.data());
    if (!found && found.error().code != ENOENT) return Error(found.error());
    std::uint64_t generation = 0;
    bool is_changing = false;
    if (found) {
        const Inode &inode = **found;
        if (inode.type() == S_IFLNK) return anew;
        if (!inode.is_file()) return Error{EINVAL, 0, "wait", "only a file has a generation"};
        if (!inode.may_read(peer.who))
            return Error{EACCES, 0, "wait", "the file's mode doesn't let this user read it: chmod it"};
        is_changing = inode.file()->is_changing();
        generation = inode.file()->generation();
    }
    if (!is_changing && generation != watch.known) return std::optional(protocol::make_changed(generation, 0));
    if (watch.paths != paths) return anew;
    return std::optional<protocol::Changed>();
}

// A peer that was told of a moved directory or link at once may have resolved its path before Linux had carried the
// move out in its own cache, which comes after the answer to the request. So it is told once more, a second later.
void Broker::settle_paths() {
    ChangeNotice &notice = host_.volume().storage().notice();
    if (settled_paths_ == notice.paths()) return;
    notice.tell_paths();
    settled_paths_ = notice.paths();
}

void Broker::tell_watchers() {
    host_.volume().storage().notice().taken();
    for (auto next = peers_.begin(); next != peers_.end();) {
        Peer &peer = *next++;
        if (!peer.watching) continue;
        const Result<std::optional<protocol::Changed>> changed = look(peer, peer.watching->watch);
        if (changed && !*changed) continue;
        peer.watching.reset();
        peer.outgoing.push_back(changed ? message_of(**changed) : refusal(changed.error()));
        (void)::recv(peer.socket.get(), nullptr, 0, MSG_DONTWAIT | MSG_TRUNC); // the request
        send(peer);                                                            // may end the peer
    }
}

// What the peer sends meanwhile waits behind its request.
void Broker::wait_for_change(Peer &peer) {
    peer.deadline_us = 0;
    peer.source = FdSource(
        peer.socket.get(), GIOCondition(G_IO_HUP | G_IO_ERR),
        [](gint, GIOCondition, gpointer data) -> gboolean {
            auto &self = *static_cast<Peer *>(data);
            self.broker.hang_up(self); // may end the peer, which owns this source
            return G_SOURCE_CONTINUE;
        },
        &peer);
}

} // namespace gmemfs
