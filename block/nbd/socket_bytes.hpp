// Socket bytes: all of some bytes to a stream socket, or from it.
#pragma once

#include "vmm/base/result.hpp"

#include <cstddef>
#include <span>
#include <sys/uio.h>

namespace gmemfs::block::nbd {

/// Waits until all are sent. EPIPE, ECONNRESET: the other side is gone.
Result<void> send_bytes(int socket, std::span<const std::byte> bytes);
/// The same for the bytes of several places; changes `parts`.
Result<void> send_parts(int socket, std::span<iovec> parts);
/// Waits until all are there. ECONNRESET: the other side closed before.
Result<void> receive_bytes(int socket, std::span<std::byte> bytes);
/// Waits for some. 0: the other side closed.
Result<std::size_t> receive_some(int socket, std::span<std::byte> bytes);

} // namespace gmemfs::block::nbd
