// Negotiation: the NBD handshake ("fixed newstyle"), up to where a client's requests begin.
#pragma once

#include "block/nbd/export.hpp"
#include "vmm/base/result.hpp"

namespace gmemfs::block::nbd {

/// What the client wants after the handshake.
enum class Wish : std::uint8_t { requests, nothing };

/// Answers the client's options on the connected `socket`. There is one export, whatever name is asked for.
/// EPROTO: the client speaks something else, or an option is longer than any is. ECONNRESET and others: of the socket.
Result<Wish> negotiate(int socket, const Export &exported);

} // namespace gmemfs::block::nbd
