// Occasion: when a change is made, and for which request of the kernel.
#pragma once

#include <cstdint>
#include <ctime>

namespace gmemfs {

/// A plain value.
struct Occasion {
    Occasion(timespec when = {}, std::uint64_t number = 0) : now(when), request(number) {}

    timespec now;
    /// The journal remembers it with the change: a server that is asked again what the one before it has done, and not
    /// answered, knows it by that. 0: no request, or one that may as well be carried out twice.
    std::uint64_t request;
};

} // namespace gmemfs
