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
        part = 8,      ///< to a worker: a part is there; what it is made of comes next (setup.hpp)
        drop = 9,      ///< to a spare: the worker has given the part back
        refused = 10,  ///< to a worker: there is no memory for the part: `code`
        warm = 4,      ///< to the supervisor: all that serving needs is there
        serving = 5,   ///< to the supervisor
        failed = 6,    ///< to the supervisor: `code` and `text` say why; this worker ends
        wanted = 11,   ///< to the supervisor: a write needs the part
        unused = 12,   ///< to the supervisor: the part isn't mapped any more, and can go
    } kind = {};
    std::int32_t code = 0;
    std::uint32_t index = 0;         ///< of the part
    std::array<char, 240> text = {}; ///< ends in a zero
};
static_assert(sizeof(Signal) == 252);

Signal make_signal(Signal::Kind kind);
Signal make_name(std::string_view name, int number);
Signal make_failure(const Error &error);
Signal make_part_signal(Signal::Kind kind, std::uint32_t index, int code);

inline constexpr std::size_t kSignalFdsMax = 64; ///< connections of an nbd device

/// With the descriptors of an nbd device's connections, where a door needs new ones. Waits for room, also on a socket
/// that doesn't by itself. Takes no memory.
Result<void> send_signal(int socket, const Signal &signal, std::span<const int> fds = {});
/// Waits for no receiver: EAGAIN: it doesn't read.
Result<void> try_send_signal(int socket, const Signal &signal);

/// What one message brought; its descriptors are the receiver's.
struct ReceivedSignal {
    Signal signal;
    std::array<int, kSignalFdsMax> fds;
    std::size_t fd_count = 0;
};
/// Takes no memory. ECONNRESET: the other side has gone. EPROTO: no Signal.
Result<void> receive_signal(int socket, ReceivedSignal &received);

} // namespace gmemfs::block
