// GivenImage: makes a file of the image that was written into it: by its mount, or here.
#pragma once

#include "tools/snapshot/place.hpp"

namespace gmemfs {

/// How the files of a mount are left that a snapshot has images of.
enum class Residences {
    awake,
    packed,
    as_saved, ///< those packed that were, when they were saved
};

/// Makes the staged file of `image`, which has all of the image's bytes, into the file that `entry` says. EBADMSG: the
/// image is damaged, or that of another file; the text says what is wrong. ENOSPC: no room for the plain bytes.
Result<void> make_file_of_image(const SnapshotPlace &place, const SnapshotEntry &entry, const SnapshotImage &image,
    Residences residences, unsigned threads);

/// Has the mount make the file, whose bytes are an image, into the packed file of `plain_size` bytes that it is of.
/// False: the file lies in no mount, or in one that has no code for it. EBADMSG: see above. ENOSPC.
Result<bool> give_image(int file, std::uint64_t plain_size);

/// Decodes the image that `from` has into the empty file `to`, on `threads` threads of the host. EBADMSG: see above.
Result<void> unpack_on_host(int from, int to, std::uint64_t plain_size, unsigned threads);

} // namespace gmemfs
