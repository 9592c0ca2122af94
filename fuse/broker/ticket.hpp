// Ticket: names an inode to the broker: its number, signed with a secret, which the next server has from the journal.
//
// A peer reads it from a file that it has open, so no symbolic link and no rename can put another file in its place,
// and nobody who can't reach a file and may not read and write it has its ticket. The server takes no descriptor from
// peers: closing one of another filesystem could block it for ever.
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
    /// ESTALE: not a ticket that was made with this secret.
    Result<InodeId> check(const protocol::Ticket &ticket) const;

private:
    const Secret secret_;
};

} // namespace gmemfs
