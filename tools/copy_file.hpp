// CopyFile: one regular file from here to there, whichever of both lies in a gmemfs mount: whole under its final name,
// or not there at all.
#pragma once

#include "tools/copy_progress.hpp"
#include "vmm/device.hpp"

#include <map>
#include <memory>
#include <string>
#include <sys/types.h>

namespace gmemfs {

struct CopySettings {
    unsigned lanes = 1;    ///< threads
    bool preserve = false; ///< mode, ACL, owner where allowed, times
    bool buffered = false; ///< through the page cache, whatever is in it
    bool verify = false;   ///< read both again and compare
};

/// The driver of a mount, opened once, and the devices that were used: each a context. Not thread-safe.
class CopyDevices {
public:
    /// The library of the mount that `path` lies in; empty where it lies in none. For a simulated one the environment
    /// says which machine, before the first driver is opened.
    std::string library_for(const std::string &path);
    Result<Device *> open(const std::string &library, int ordinal);

private:
    std::map<dev_t, std::string> libraries_; // of each filesystem that was asked about
    std::map<std::string, std::unique_ptr<Driver>> drivers_;
    std::map<std::pair<std::string, int>, std::unique_ptr<Device>> devices_;
};

/// Copies the regular file `source` to `target`, under another name until it is whole. EINTR: interrupted.
Result<void> copy_file(const CopySettings &settings, CopyDevices &devices, const std::string &source,
    const std::string &target, Progress &progress);

/// Gives the open file or folder `target` the access control lists that `source` has, and no others. EOPNOTSUPP: there
/// are none on that filesystem.
Result<void> copy_acls(int source, int target);

/// Standard input to `target`, or `source` to standard output: as fast as a pipe is.
Result<void> copy_stream(const std::string &source, const std::string &target, Progress &progress);

} // namespace gmemfs
