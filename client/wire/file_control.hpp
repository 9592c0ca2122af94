// File control: the ioctl(2) requests for an open file of a mount: for its parity, for packing, and for its image.
//
//
//     parity_control::ParityRange range = {.offset = 0, .length = 64 << 20};
//     ioctl(fd, parity_control::kVerify, &range)      0, and range.blocks, range.wrong, ... are filled in
//
// One struct goes in and comes out, in the machine's byte order, because both ends are on it. ENODATA: the file has no
// parity. EBUSY: a peer may be writing to the file; seal it first. EACCES: the caller may not read and write the file
// (all but verify). EPERM: the mount doesn't allow damage. ENOTTY: the server is older than the request, or no gmemfs.
#pragma once

#include <cstdint>
#include <sys/ioctl.h>

namespace gmemfs::parity_control {

inline constexpr unsigned kListed = 64; ///< blocks that one answer can name

struct ParityRange {
    std::uint64_t offset = 0, length = 0; ///< in: bytes; the blocks of 128 KiB that they touch
    std::uint64_t bits = 0;               ///< in, of kInject: how many bits to turn, each another one
    std::uint64_t seed = 0;               ///< in, of kInject: which
    std::uint64_t blocks = 0;             ///< out: looked at
    std::uint64_t wrong = 0;              ///< out: blocks that didn't agree with their parity
    std::uint64_t repaired = 0;           ///< out
    std::uint64_t left_wrong = 0;         ///< out: blocks that still don't agree; after kScrub: beyond repair
    std::uint64_t listed[kListed] = {};   ///< out: the numbers of the first of these, from the file's start
};
static_assert(sizeof(ParityRange) == 64 + 8 * kListed);

inline constexpr unsigned long kVerify = _IOWR('g', 1, ParityRange); ///< compares, and changes nothing
inline constexpr unsigned long kScrub = _IOWR('g', 2, ParityRange);  ///< compares, and repairs
inline constexpr unsigned long kSeal = _IOWR('g', 3, ParityRange);   ///< makes parity fit the file as it is now
inline constexpr unsigned long kInject = _IOWR('g', 4, ParityRange); ///< damages the data, and leaves parity as it is

} // namespace gmemfs::parity_control

// ioctl(fd, cold_control::kPack, &state): packs the file, moves it to host memory, or wakes it (docs/cold.md). EBUSY: a
// peer may have it mapped. ENOSPC: no room beside it. EACCES: the caller may not read and write the file. ENOTSUP: the
// mount has no host memory. ENOPKG: nvCOMP isn't there. EINVAL: no such codec. ENOTTY: as above.
namespace gmemfs::cold_control {

struct ColdState {
    std::uint64_t plain = 0; ///< out: bytes of memory that the file takes when it is awake
    std::uint64_t held = 0;  ///< out: bytes of memory that it takes now
    std::uint64_t where = 0; ///< in, of kPackBy and kOffloadBy: a codec;
        ///< out: the sum of kPacked and kInHost; without kPacked after kPack: nothing would be saved
};
/// Codecs; kPack and kOffload take the first.
inline constexpr std::uint64_t kAutomatic = 0, kOwn = 1, kAns = 2, kLz4 = 3, kZstd = 4;
inline constexpr std::uint64_t kPacked = 1, kInHost = 2;
static_assert(sizeof(ColdState) == 24);

inline constexpr unsigned long kPack = _IOWR('g', 5, ColdState);
inline constexpr unsigned long kWake = _IOWR('g', 6, ColdState);
inline constexpr unsigned long kOffload = _IOWR('g', 7, ColdState);       ///< to host memory, packed where that saves
inline constexpr unsigned long kOffloadAsItIs = _IOWR('g', 8, ColdState); ///< to host memory, and not packed for it
inline constexpr unsigned long kPackBy = _IOWR('g', 9, ColdState);        ///< as kPack, by a codec
inline constexpr unsigned long kOffloadBy = _IOWR('g', 10, ColdState);    ///< as kOffload

} // namespace gmemfs::cold_control

// A file's image (docs/formats.md) past its bytes, for whoever saves it; and back (docs/cold.md).
//
//     ioctl(fd, image_control::kOpen, &state)                  from here on, by this open file description:
//     pread(fd, buffer, length, image_control::kStart + at)    the image's bytes; at its end fewer
//
// 0 bytes where there are more: the server is another one, which has no image open. The image stays as it was until the
// file is closed, or is asked for its image again. Of a mount with --page-cache the file is opened with O_DIRECT.
// ENODATA: the file is plain, and stays so, or an image would save nothing. EBUSY: a peer may have it mapped. ENOSPC,
// EDQUOT: no room for an image of it, for which the caller is charged. EIO: the image is damaged.
//
//     write the image as a file's bytes, then ioctl(fd, image_control::kTake, &taken)
//
// EALREADY: the file is packed. EBUSY, ENOSPC, EIO: as above. EACCES: the caller may not read and write the file.
namespace gmemfs::image_control {

inline constexpr std::uint64_t kStart = std::uint64_t(1) << 62;

struct ImageState {
    std::uint64_t may_make = 0;   ///< in: 1: an image is made for this, of a plain file, and of one that nvCOMP has
                                  ///< packed; 0: then ENODATA
    std::uint64_t size = 0;       ///< out: bytes of the image
    std::uint64_t plain = 0;      ///< out: bytes of the file
    std::uint64_t was_packed = 0; ///< out: 1: it is the image of a packed file; 2: one made for this, of such a file
    std::uint64_t has_digest = 0; ///< out: 1: the digest of the file's bytes is known ...
    std::uint8_t digest[32] = {}; ///< out: ... and is this
};
static_assert(sizeof(ImageState) == 72);

struct TakenImage {
    std::uint64_t plain = 0; ///< out: the file's size as from now on, bytes; 0: the file is as it was, because ...
    char wrong[120] = {};    ///< out: ... of this, a text; empty where the image was taken
};
static_assert(sizeof(TakenImage) == 128);

inline constexpr unsigned long kOpen = _IOWR('g', 16, ImageState);
inline constexpr unsigned long kTake = _IOWR('g', 17, TakenImage);

} // namespace gmemfs::image_control
