#include "block/process/doors.hpp"

#include "block/process/nbd_door.hpp"
#include "block/process/socket_door.hpp"
#include "block/process/ublk_door.hpp"

namespace gmemfs::block {

Result<std::unique_ptr<Door>> make_door(const Plan &plan, Disk &disk, Fd listener) {
    switch (plan.door) {
    case DoorKind::socket: return SocketDoor::create(plan, disk, std::move(listener));
    case DoorKind::nbd: return NbdDoor::create(plan, disk);
    case DoorKind::ublk: return UblkDoor::create(plan, disk);
    }
    return Error{EINVAL, 0, "make the door"};
}

} // namespace gmemfs::block
