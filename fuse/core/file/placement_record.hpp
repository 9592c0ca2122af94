// Placement record: a placement as a journal has it, by the devices' UUIDs, and back.
#pragma once

#include "fuse/core/journal/volume_state.hpp"
#include "fuse/core/space/placement.hpp"
#include "fuse/core/space/storage.hpp"

namespace gmemfs {

VolumeState::Place place_of(const Placement &placement);
/// Without the devices that the mount doesn't use any more.
Placement find_placement(const Storage &storage, const VolumeState::Place &place);

} // namespace gmemfs
