// CopyEnds: opens both sides of a copy in the fastest way: as mapped device memory, or as a host file.
#pragma once

#include "tools/copy/lanes.hpp"
#include "vmm/base/units.hpp"
#include "vmm/device/device.hpp"

#include <map>
#include <memory>
#include <string>
#include <sys/types.h>
#include <vector>

namespace gmemfs {

/// What the copies of one command share: each mount's driver, opened once, the devices that were used, each with a
/// context, and a buffer. Not thread-safe.
class CopyDevices {
public:
    /// The driver's library of the mount that `path` lies in; empty where it lies in none. For a simulated mount this
    /// also sets the simulated machine in the environment, before the first driver is opened.
    std::string library_for(const std::string &path);
    Result<Device *> open(const std::string &library, int ordinal);
    std::span<std::byte> buffer() { return buffer_; }

private:
    std::vector<std::byte> buffer_ = std::vector<std::byte>(1 * MiB);
    std::map<dev_t, std::string> libraries_; // of each filesystem seen so far
    std::map<std::string, std::unique_ptr<Driver>> drivers_;
    std::map<std::pair<std::string, int>, std::unique_ptr<Device>> devices_;
};

/// Whether the file lies in a mount and is packed there, so that its digest or its memory would wake it.
bool is_packed(int fd);

/// A regular file that is open, a path that opens it again, and a path that lies in the same mount.
struct OpenedFile {
    int fd = -1;
    std::string path, place;
};

/// Copies `size` bytes of one regular file to another one, which is at least as large, on several threads. A file in a
/// mount is copied past FUSE. Where it can't be mapped here (no GPU in this container, a file that may only be read),
/// or is a packed one that is copied out, it is copied through the filesystem. Result and errors: see copy_bytes().
enum class ReadsDisk { directly, through_cache };
Result<std::uint64_t> copy_side_by_side(CopyDevices &devices, const OpenedFile &source, const OpenedFile &target,
    std::uint64_t size, unsigned lanes, ReadsDisk reads, Progress &progress);

} // namespace gmemfs
