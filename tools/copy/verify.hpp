// Verifying a copy: by digests where a mount makes them on its device, else byte by byte.
#pragma once

#include "tools/copy/lanes.hpp"

#include <string>

namespace gmemfs {

/// What `user.gmemfs.digest` would be of the file's first `size` bytes (docs/formats.md), made on the host by `lanes`
/// threads. EIO: it is shorter. EINTR.
Result<std::string> make_digest(int fd, std::uint64_t size, unsigned lanes);

/// One side of a copy that is to be verified.
struct VerifiedEnd {
    CopyEnd end;              ///< its fd is set
    bool is_in_mount = false; ///< of gmemfs: elsewhere an attribute of that name may be anybody's
};
enum class VerifiedBy { digests, bytes };
/// EBADMSG: they differ, and where. Bytes are compared where no mount makes a digest: an older one, a GPU that its
/// kernels weren't built for, no memory left.
Result<VerifiedBy> verify_copy(
    Device *device, const VerifiedEnd &source, const VerifiedEnd &target, std::uint64_t size, unsigned lanes);

} // namespace gmemfs
