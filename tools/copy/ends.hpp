// CopyEnds: both sides of a copy, as fast as each can be had: device memory that is mapped, or a host file.
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

/// What the copies of one command share: the driver of a mount, opened once, the devices that were used, each a
/// context, and a buffer. Not thread-safe.
class CopyDevices {
public:
    /// The library of the mount that `path` lies in; empty where it lies in none. For a simulated one the environment
    /// says which machine, before the first driver is opened.
    std::string library_for(const std::string &path);
    Result<Device *> open(const std::string &library, int ordinal);
    std::span<std::byte> buffer() { return buffer_; }

private:
    std::vector<std::byte> buffer_ = std::vector<std::byte>(1 * MiB);
    std::map<dev_t, std::string> libraries_; // of each filesystem that was asked about
    std::map<std::string, std::unique_ptr<Driver>> drivers_;
    std::map<std::pair<std::string, int>, std::unique_ptr<Device>> devices_;
};

/// A regular file that is open, a path by which it can be opened again, and one by which its mount is found.
struct OpenedFile {
    int fd = -1;
    std::string path, place;
};

/// Copies `size` bytes of one regular file to another one, which is at least as large, by threads and, where either
/// lies in a mount, past FUSE. What can't be mapped here (no GPU in this container, a file that may only be read) is
/// copied through the filesystem all the same. As copy_bytes().
enum class ReadsDisk { directly, through_cache };
Result<std::uint64_t> copy_side_by_side(CopyDevices &devices, const OpenedFile &source, const OpenedFile &target,
    std::uint64_t size, unsigned lanes, ReadsDisk reads, Progress &progress);

} // namespace gmemfs
