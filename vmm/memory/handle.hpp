// Handle: what a peer imports: a fabric handle of 64 bytes, or a POSIX descriptor (an Fd).
#pragma once

#include "vmm/base/limits.hpp"

#include <cuda.h>

#include <array>
#include <cstddef>
#include <optional>
#include <string_view>

namespace gmemfs {

/// The bytes of a CUmemFabricHandle, opaque. Imports work only while the process that created the memory lives. A
/// handle is no secret: a user who may open the IMEX channel device can guess one (docs/threats.md).
using FabricHandle = std::array<std::byte, kFabricHandleSize>;
static_assert(sizeof(FabricHandle) == sizeof(CUmemFabricHandle));

/// Which handle types extents are created with: `--handles=`.
enum class HandlePolicy {
    automatic, ///< both; descriptors alone where the machine refuses fabric handles
    fabric,    ///< both, or fail
    fd,        ///< descriptors alone: memory leaves the server only through the broker's check
};

/// As users write it.
constexpr const char *word_of(HandlePolicy policy) {
    switch (policy) {
    case HandlePolicy::automatic: return "auto";
    case HandlePolicy::fabric: return "fabric";
    case HandlePolicy::fd: return "fd";
    }
    return "";
}
constexpr std::optional<HandlePolicy> handle_policy_of(std::string_view word) {
    for (const HandlePolicy policy : {HandlePolicy::automatic, HandlePolicy::fabric, HandlePolicy::fd})
        if (word == word_of(policy)) return policy;
    return {};
}

} // namespace gmemfs
