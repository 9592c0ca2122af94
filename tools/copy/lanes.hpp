// Lanes: threads that copy one file side by side, chunk by chunk.
//
// Each lane has two pinned buffers of its own, so that one fills while the other one empties.
//
//     host file --pread--> pinned buffer --copy engine--> device memory            (in)
//     device memory --copy engine--> pinned buffer --memcpy, pwrite--> host file   (out)
//
// One thread reads a cached file at 4.7 GB/s, 12 at 50, 93 % of the bus (H200's host). Out, pwrite(2) locks the inode
// for each write (3 to 5 GB/s however many threads). So a target that can be mapped is mapped, and each lane allocates
// what it copies there.
//
// A Copier (vmm/memory/copier.hpp) doesn't do: it takes slices of extents, and a peer's mapping has none; and it waits
// for all that it has queued, where a lane waits for one of its buffers while the other one is under way.
#pragma once

#include "tools/copy/direct_source.hpp"
#include "tools/host/progress.hpp"
#include "vmm/device/device.hpp"

#include <cstddef>
#include <cstdint>
#include <functional>
#include <span>

namespace gmemfs {

/// One side of a copy: a host file, by descriptor or mapped, or device memory. A view.
struct CopyEnd {
    int fd = -1;
    std::byte *mapped = nullptr;          ///< of a target: all of it; else null
    CUdeviceptr address = 0;              ///< of device memory; 0 for a host file
    const DirectSource *direct = nullptr; ///< of a source: tried first
    bool is_lazy = false;                 ///< mapped, and to be allocated before it is touched
    bool is_device() const { return address != 0; }
};

/// Copies `size` bytes on `lanes` threads, and returns how many were copied: fewer where the source has become shorter.
/// The target's bytes behind these are undefined. At least one end is a host file. `device` is the other end's; null
/// where both are host files. EINTR: the user has interrupted.
Result<std::uint64_t> copy_bytes(
    Device *device, CopyEnd source, CopyEnd target, std::uint64_t size, unsigned lanes, Progress &progress);

/// Reads both ends and compares them. EBADMSG: they differ; the message says where. EIO: one is shorter.
Result<void> compare_bytes(Device *device, CopyEnd left, CopyEnd right, std::uint64_t size, unsigned lanes);

/// Calls `take(offset, bytes)` for each chunk of a host file, on `lanes` threads; an error ends it.
using TakeBytes = std::function<Result<void>(std::uint64_t offset, std::span<const std::byte> bytes)>;
Result<void> read_bytes(int fd, std::uint64_t size, unsigned lanes, const TakeBytes &take);

} // namespace gmemfs
