// Secret: 32 random bytes from the kernel, the key by which tickets are signed.
#pragma once

#include "vmm/base/result.hpp"

#include <array>
#include <cstdint>

namespace gmemfs {

using Secret = std::array<std::uint8_t, 32>;
Result<Secret> make_secret(); ///< ENOSYS, EIO: the kernel gives no random bytes

} // namespace gmemfs
