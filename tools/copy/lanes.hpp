// Lanes: threads that copy one file side by side, chunk by chunk; each device that a part lies on has its own.
//
//     host file --lanes of device 0--> the parts on device 0       each by its device's bus, at the same time;
//               --lanes of device 1--> the parts on device 1       every byte is read once
//
// One thread reads a cached file at 4.7 GB/s, 12 at 50, 93 % of the bus (H200's host). Out, pwrite(2) locks the inode
// for each write (3 to 5 GB/s however many threads). So a target that can be mapped is mapped, and each lane allocates
// what it copies there.
#pragma once

#include "tools/copy/lane.hpp"
#include "tools/copy/lane_stock.hpp"
#include "tools/host/progress.hpp"

#include <algorithm>
#include <cstddef>
#include <cstdint>
#include <span>
#include <vector>

namespace gmemfs {

/// A part of a file, and the device whose lanes copy it: the one that it lies on; null where both ends are host files.
struct CopyPart {
    std::uint64_t offset = 0, length = 0;
    Device *device = nullptr;
};

/// How many lanes: of a device, and of all devices together. Both are at least 1.
struct LaneCount {
    unsigned of_device = 1, in_all = 1;
    /// Of each of so many devices: at least 1.
    unsigned among(std::size_t devices) const;
    /// Of one of so many files that are copied side by side.
    LaneCount shared_by(unsigned files) const { return {of_device, std::max(in_all / files, 1U)}; }
};

/// Copies the parts, which follow each other from byte 0 on, and returns where the source ended: earlier than the parts
/// where it has become shorter. The target's bytes behind that are undefined. At least one end is a host file, and the
/// parts' devices are the other end's. EINTR: the user has interrupted.
Result<std::uint64_t> copy_bytes(LaneStock &stock, std::span<const CopyPart> parts, CopyEnd source, CopyEnd target,
    LaneCount count, Progress &progress);

/// Reads both ends and compares them. EBADMSG: they differ; the message says where. EIO: one is shorter.
Result<void> compare_bytes(Device *device, CopyEnd left, CopyEnd right, std::uint64_t size, unsigned lanes);

/// Calls `take(offset, bytes)` for each chunk of a host file, on `lanes` threads; an error ends it.
Result<void> read_bytes(int fd, std::uint64_t size, unsigned lanes, const TakeBytes &take);

} // namespace gmemfs
