// CopyFile: the bytes of one file from here to there, whichever of both lies in a gmemfs mount, and what goes with
// them.
#pragma once

#include "tools/copy/attributes.hpp"
#include "tools/copy/ends.hpp"
#include "tools/copy/target.hpp"
#include "tools/host/progress.hpp"

#include <string>

namespace gmemfs {

struct CopySettings {
    unsigned lanes = 1; ///< threads
    Preserve preserve = Preserve::nothing;
    Existing existing = Existing::write;
    ReadsDisk reads = ReadsDisk::directly;
    bool verify = false; ///< read both again and compare
};

/// Copies what can be read from `source` to `target`; standard input and output are "-". A regular source is read to
/// its end, wherever that is by then. EINVAL: both are one file. EINTR: interrupted.
Result<void> copy_file(const CopySettings &settings, CopyDevices &devices, const std::string &source,
    const std::string &target, Progress &progress);

} // namespace gmemfs
