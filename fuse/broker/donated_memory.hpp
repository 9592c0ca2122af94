// DonatedMemory: takes the descriptors of device memory and its table of blocks from a peer, and no others.
//
// Closing a descriptor of another filesystem may block for as long as that filesystem likes, and so may asking it
// anything. What isn't surely a driver's is told by what the kernel knows itself, and closed on a thread of its own.
#pragma once

#include "vmm/base/fd.hpp"

namespace gmemfs {

/// The memory, and the table (client/wire/block_table.hpp), or none.
struct DonatedFds {
    Fd memory, blocks;
};
/// The descriptors that came with the message which waits in the packet socket. The message stays there. EINVAL: none
/// came, or it can't be device memory's. EMFILE: this process may open no more descriptors.
Result<DonatedFds> peek_memory(int socket);

} // namespace gmemfs
