// DeviceProbe: whether a device that is lost to this process serves another one.
#pragma once

#include "vmm/device/device.hpp"

namespace gmemfs {

/// Starts `gmemfs probe`, which makes a context on the device, and copies there and back; waits 10 s for it at the
/// most. Thread-safe. Uses nothing of the device in this process.
bool serves_another_process(const Device &device);

} // namespace gmemfs
