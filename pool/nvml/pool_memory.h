// Pool memory: what libgmemfs-nvml.so asks the pool's library of the same process.
#pragma once

extern "C" {

/// Bytes of a device.
struct gmemfs_pool_memory { // NOLINT(readability-identifier-naming): C's names, as all here
    unsigned long long free, total;
};
/// What the device of this UUID (16 bytes) has; becomes what this process may have of it, as cuMemGetInfo says.
/// Thread-safe.
void gmemfs_pool_bound_memory(const unsigned char *uuid, struct gmemfs_pool_memory *memory);

} // extern "C"
