// Ticket: names an inode to the broker: the inode's number, signed with a secret.
//
// A peer reads the ticket from a file that the peer has open, so no symbolic link and no rename can put another file in
// its place. Only a user who can reach the file, and may read and write it, gets its ticket. The server takes no
// descriptor from peers, because closing one of another filesystem could block for ever. The next server has the secret
// from the journal.
#pragma once

#include "client/wire/protocol.hpp"
#include "fuse/core/journal/volume_state.hpp"
#include "vmm/base/secret.hpp"

namespace gmemfs {

/// Immutable, and so thread-safe.
class TicketMaker {
public:
    explicit TicketMaker(const Secret &secret) : secret_(secret) {}
    protocol::Ticket make(InodeId id) const;
    /// The inode that the ticket names. ESTALE: the ticket wasn't made with this secret.
    Result<InodeId> check(const protocol::Ticket &ticket) const;

private:
    const Secret secret_;
};

} // namespace gmemfs
