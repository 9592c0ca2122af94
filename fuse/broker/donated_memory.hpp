// DonatedMemory: takes the descriptor of device memory that a peer sends, and nothing else that it might send.
//
// Closing a descriptor of another filesystem may block for as long as that filesystem likes, and so may asking it
// anything. What isn't surely a driver's is told by what the kernel knows itself, and closed on a thread of its own.
#pragma once

#include "vmm/base/fd.hpp"

namespace gmemfs {

/// The descriptor that came with the message which waits in the packet socket. The message stays there. EINVAL: none
/// came, or it can't be device memory's. EMFILE: this process may open no more descriptors.
Result<Fd> peek_memory(int socket);

} // namespace gmemfs
