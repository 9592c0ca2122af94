// Doors: makes the door that a plan asks for.
#pragma once

#include "block/process/door.hpp"

#include <memory>

namespace gmemfs::block {

/// Makes all that serving will need: pinned memory, streams, threads. `listener` is that of DoorKind::socket.
Result<std::unique_ptr<Door>> make_door(const Plan &plan, Disk &disk, Fd listener);

} // namespace gmemfs::block
