// Body: one message over the socket between a caller and its helper: its length in 4 bytes, then itself.
#pragma once

#include "vmm/base/result.hpp"
#include "vmm/base/units.hpp"

#include <cstddef>
#include <span>
#include <vector>

namespace gmemfs {

inline constexpr std::size_t kBodyMost = 1 * MiB;

/// EPIPE: the other end has ended.
Result<void> send_body(int socket, std::span<const std::byte> body);
/// ETIMEDOUT: none has begun by then, or a signal came. EPIPE: the other end has ended, or hangs within a message.
/// EPROTO: what came is none.
Result<std::vector<std::byte>> receive_body(int socket, int timeout_ms);

} // namespace gmemfs
