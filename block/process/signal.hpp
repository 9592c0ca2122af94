// Signal: the short messages between a supervisor and a worker, once the worker has its Setup.
#pragma once

#include "vmm/base/result.hpp"

#include <array>
#include <cstdint>
#include <span>
#include <string_view>

namespace gmemfs::block {

/// A plain value, as it goes over the socket.
struct Signal {
    enum class Kind : std::uint32_t {
        serve = 1,     ///< to a worker: open the door for the first time
        take_over = 2, ///< to a worker: the one before has died
        stop = 3,      ///< to a worker: close the door and end
        named = 7,     ///< to a worker: `text` is the device's name, `code` its number
        warm = 4,      ///< to the supervisor: all that serving needs is there
        serving = 5,   ///< to the supervisor
        failed = 6,    ///< to the supervisor: `code` and `text` say why; this worker ends
    } kind = {};
    std::int32_t code = 0;
    std::array<char, 240> text = {}; ///< ends in a zero
};
static_assert(sizeof(Signal) == 248);

Signal make_signal(Signal::Kind kind);
Signal make_name(std::string_view name, int number);
Signal make_failure(const Error &error);

inline constexpr std::size_t kSignalFdsMax = 64; ///< connections of an nbd device

/// With the descriptors of an nbd device's connections, where a door needs new ones. Takes no memory.
Result<void> send_signal(int socket, const Signal &signal, std::span<const int> fds = {});

/// What one message brought; its descriptors are the receiver's.
struct ReceivedSignal {
    Signal signal;
    std::array<int, kSignalFdsMax> fds;
    std::size_t fd_count = 0;
};
/// Takes no memory. ECONNRESET: the other side has gone. EPROTO: no Signal.
Result<void> receive_signal(int socket, ReceivedSignal &received);

} // namespace gmemfs::block
