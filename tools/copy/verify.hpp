// CopyVerify: compares a copy with its source, by digests that a mount makes on its device, else byte by byte.
#pragma once

#include "ecc/digest/digest.hpp"
#include "tools/copy/lanes.hpp"

#include <cstddef>
#include <optional>
#include <span>
#include <string>

namespace gmemfs {

/// The value that `user.gmemfs.digest` has for the file's first `size` bytes (docs/formats.md), computed on the host by
/// `lanes` threads. EIO: the file is shorter. EINTR: the user has interrupted.
Result<std::string> make_digest(int fd, std::uint64_t size, unsigned lanes);

/// The digest of bytes in memory; digest_text() makes the same value of it.
Result<Digest> make_digest(std::span<const std::byte> bytes);
/// The digest that the mount makes of its open file on the device; nothing where it makes none. EINTR.
Result<std::optional<std::string>> ask_digest(int fd);

/// One side of a copy that is to be verified.
struct VerifiedEnd {
    CopyEnd end;              ///< its fd is set
    bool is_in_mount = false; ///< of gmemfs; elsewhere any user may have set an attribute of that name
};
enum class VerifiedBy { digests, bytes };
/// EBADMSG: the ends differ; the message says where. Bytes are compared where a mount makes no digest: an older server,
/// a GPU that its kernels weren't built for, no memory left.
Result<VerifiedBy> verify_copy(
    Device *device, const VerifiedEnd &source, const VerifiedEnd &target, std::uint64_t size, unsigned lanes);

} // namespace gmemfs
