#include "fuse/broker/ticket.hpp"

#include <glib.h>

namespace gmemfs {
namespace {

constexpr std::size_t kSha256Size = 32;

} // namespace

// The number, and the first 16 bytes of HMAC-SHA256 (RFC 2104) of it.
protocol::Ticket TicketMaker::make(InodeId id) const {
    protocol::Ticket ticket = {};
    std::memcpy(ticket.data(), &id, sizeof id);
    GHmac *const hmac = g_hmac_new(G_CHECKSUM_SHA256, secret_.data(), secret_.size());
    g_hmac_update(hmac, ticket.data(), sizeof id);
    std::uint8_t digest[kSha256Size];
    gsize size = sizeof digest;
    g_hmac_get_digest(hmac, digest, &size);
    g_hmac_unref(hmac);
    std::memcpy(ticket.data() + sizeof id, digest, ticket.size() - sizeof id);
    return ticket;
}

Result<InodeId> TicketMaker::check(const protocol::Ticket &ticket) const {
    InodeId id = 0;
    std::memcpy(&id, ticket.data(), sizeof id);
    const protocol::Ticket expected = make(id);
    unsigned difference = 0; // compares every byte, so that the time taken tells nothing
    for (std::size_t index = 0; index < ticket.size(); ++index)
        difference |= static_cast<unsigned>(ticket[index] ^ expected[index]);
    if (difference != 0)
        return Error{ESTALE, 0, "attach", "the ticket isn't of this mount's: read user.gmemfs.ticket again"};
    return id;
}

} // namespace gmemfs
