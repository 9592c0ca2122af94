// Handle: what a peer imports: a fabric handle of 64 bytes, or a POSIX descriptor (an Fd).
#pragma once

#include "vmm/base/limits.hpp"

#include <cuda.h>

#include <array>
#include <cstddef>

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

} // namespace gmemfs
