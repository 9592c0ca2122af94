// CopyFile: copies one file with its attributes, whichever of both ends lies in a gmemfs mount.
#pragma once

#include "tools/copy/attributes.hpp"
#include "tools/copy/ends.hpp"
#include "tools/copy/target.hpp"
#include "tools/host/progress.hpp"

#include <cstddef>
#include <span>
#include <string>

namespace gmemfs {

struct CopySettings {
    LaneCount lanes; ///< threads
    Preserve preserve = Preserve::nothing;
    Existing existing = Existing::write;
    ReadsDisk reads = ReadsDisk::directly;
    bool verify = false; ///< then read both again and compare them
};

/// Copies what can be read from `source` to `target`; "-" is standard input or output. A regular source is read to its
/// end, which may move meanwhile. `buffer` is this thread's, kCopyBuffer bytes. EINVAL: both are one file. EINTR: the
/// user has interrupted.
inline constexpr std::size_t kCopyBuffer = 1 << 20;
Result<void> copy_file(const CopySettings &settings, CopyDevices &devices, std::span<std::byte> buffer,
    const std::string &source, const std::string &target, Progress &progress);

} // namespace gmemfs
