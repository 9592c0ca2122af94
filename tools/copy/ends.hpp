// CopyEnds: opens both sides of a copy in the fastest way: as mapped device memory, or as a host file.
#pragma once

#include "tools/copy/devices.hpp"
#include "tools/copy/lanes.hpp"

#include <string>

namespace gmemfs {

/// Whether the file lies in a mount and is packed there, so that its digest or its memory would wake it.
bool is_packed(int fd);

/// A regular file that is open, a path that opens it again, and a path that lies in the same mount.
struct OpenedFile {
    int fd = -1;
    std::string path, place;
};

/// Copies `size` bytes of one regular file to another one, which is at least as large, on several threads. A file in a
/// mount is copied past FUSE, each of its parts by the device that it lies on. Where it can't be mapped here (no GPU in
/// this container, a file that may only be read), or is a packed one that is copied out, it is copied through the
/// filesystem. Result and errors: see copy_bytes().
enum class ReadsDisk { directly, through_cache };
Result<std::uint64_t> copy_side_by_side(CopyDevices &devices, const OpenedFile &source, const OpenedFile &target,
    std::uint64_t size, LaneCount lanes, ReadsDisk reads, Progress &progress);

} // namespace gmemfs
