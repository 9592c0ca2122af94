// FileVersion: what tells two states of a file apart, as far as that can be known without reading it.
#pragma once

#include "vmm/base/result.hpp"

#include <cstdint>
#include <ctime>
#include <string>

namespace gmemfs {

struct FileVersion {
    std::uint64_t size = 0;
    timespec modified = {};
    std::string generation; ///< user.gmemfs.generation; empty outside a mount
    bool operator==(const FileVersion &other) const {
        return size == other.size && modified.tv_sec == other.modified.tv_sec &&
               modified.tv_nsec == other.modified.tv_nsec && generation == other.generation;
    }
};

/// fstat(2)'s errors.
Result<FileVersion> read_version(int fd);

/// Whether the file lies in a gmemfs mount.
bool is_in_mount(int fd);

/// The digest of the whole file (docs/formats.md): by the device where the file lies in a mount and isn't packed, else
/// by the host, on `threads` threads. EIO: the file has become shorter. EINTR.
Result<std::string> digest_of_file(int fd, std::uint64_t size, unsigned threads);

} // namespace gmemfs
