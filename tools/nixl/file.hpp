// NixlFile: a file whose bytes move between slots and where they lie: in a mount past FUSE, or in a host's filesystem.
#pragma once

#include "tools/copy/device_file.hpp"
#include "tools/copy/devices.hpp"
#include "tools/nixl/nixl_process.hpp"
#include "vmm/base/fd.hpp"
#include "vmm/device/stream.hpp"

#include <map>
#include <memory>
#include <span>
#include <string>
#include <vector>

namespace gmemfs {

/// A thread's streams, one of each device that it has copied on.
using NixlStreams = std::map<Device *, Stream>;

/// Owner of the descriptor, and of the mapping with its lease. Thread-safe once open, but for seal().
class NixlFile {
public:
    enum class Access { read, write };
    /// `path` may be /proc/PID/fd/N. `devices` outlives it. open(2)'s errors.
    static Result<std::unique_ptr<NixlFile>> open(CopyDevices &devices, const std::string &path, Access access);
    NixlFile(const NixlFile &) = delete;
    NixlFile &operator=(const NixlFile &) = delete;

    std::uint64_t size() const { return size_; } ///< as it was when it was opened
    /// The device that byte 0 lies on; null of a file that isn't mapped.
    Device *device() const { return parts_.empty() ? nullptr : parts_.front().device; }
    bool is_simulated() const { return is_simulated_; }

    /// The file's memory, one allocation after the other; empty where it isn't mapped, or where that isn't told.
    struct Memory {
        std::uint64_t offset = 0, length = 0, address = 0;
        int ordinal = 0; ///< of the device
    };
    std::vector<Memory> memory() const;

    /// Returns when the bytes are there. EIO: the file is shorter. Else the device's, pread(2)'s and pwrite(2)'s.
    Result<void> read(NixlStreams &streams, std::uint64_t offset, std::span<std::byte> bytes) const;
    Result<void> write(NixlStreams &streams, std::uint64_t offset, std::span<std::byte> bytes) const;
    /// Makes parity fit what was written past the filesystem. fsync(2)'s errors.
    Result<void> seal() const;

private:
    struct Part {
        std::uint64_t offset = 0, length = 0;
        Device *device = nullptr;
        int ordinal = 0;
    };
    NixlFile() = default;
    Result<void> map(CopyDevices &devices, const std::string &place, Access access);
    Result<void> find_parts(CopyDevices &devices, const std::string &library);
    const Part &part_at(std::uint64_t offset) const;
    // Queues one copy for each part that the bytes lie in, and waits for it.
    enum class Way { from_device, to_device };
    Result<void> copy(NixlStreams &streams, Way way, std::uint64_t offset, std::byte *bytes, std::size_t size) const;
    static Result<Stream *> stream_of(NixlStreams &streams, Device &device);

    Fd fd_;
    std::uint64_t size_ = 0;
    bool is_simulated_ = false;
    std::unique_ptr<DeviceFile> mapped_; // null: by pread(2) and pwrite(2)
    std::vector<Part> parts_;            // of a mapped file
};

} // namespace gmemfs
