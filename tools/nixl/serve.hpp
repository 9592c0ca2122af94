// ServeNixl: what runs in the helper: takes requests from a socket, and has one side do them.
#pragma once

#include "tools/nixl/side.hpp"

namespace gmemfs {

/// Serves until the other end of `socket` is closed. Errors: NIXL can't be used; the caller has been told.
Result<void> serve_nixl(
    int socket, NixlProcess::Role role, const std::string &chosen, const NixlSideSettings &settings);

} // namespace gmemfs
