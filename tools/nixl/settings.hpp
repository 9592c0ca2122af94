// NixlSettings: how the helper moves bytes.
#pragma once

#include <cstddef>
#include <string>

namespace gmemfs {

/// What expect() says to send(): no more bytes than this.
inline constexpr std::size_t kNixlTargetMost = 64 * 1024;

struct NixlSettings {
    std::string program = "/proc/self/exe"; ///< a gmemfs, which is started as `gmemfs nixl`
    /// What the network reads and writes: the device's own memory, or pinned memory of the host beside it.
    enum class Memory { automatic, device, staging };
    Memory memory = Memory::automatic; ///< automatic: $GMEMFS_NIXL_MEMORY says it, or else staging
};

} // namespace gmemfs
