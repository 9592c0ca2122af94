// Poke: a kernel of one argument, an address, to which it writes four times the byte kPoked.
#pragma once

#include <cstdint>

namespace gmemfs::conformance {

inline constexpr std::uint8_t kPoked = 42;

/// What to load as a module; its function is "poke". The simulator has been offered the twin by then.
const char *poke_image();

} // namespace gmemfs::conformance
