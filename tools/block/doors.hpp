// Doors: by which drivers of this kernel a file can be a block device, and what to do where one is missing.
#pragma once

#include "vmm/base/result.hpp"

namespace gmemfs {

/// Success, or what is missing and the fix. ENOENT: the kernel lacks the driver, or it isn't loaded. EPERM, EACCES: it
/// takes root.
Result<void> check_ublk();
Result<void> check_nbd();

} // namespace gmemfs
