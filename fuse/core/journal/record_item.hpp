// Record item: the byte that an item of a record begins with, and what follows it (docs/formats.md).
#pragma once

#include <cstdint>

namespace gmemfs {

// Numbers are little-endian; a text is its size in 4 bytes, and itself.
enum class RecordItem : std::uint8_t {
    keeper = 1,      // nonce 8
    next_inode = 2,  // number 8
    inode = 3,       // number 8, mode 4, links 4, uid 4, gid 4, device number 8, times 6 x 8, placement 16, target text
    gone = 4,        // number 8
    entry = 5,       // directory 8, inode 8, cookie 8, name text
    no_entry = 6,    // directory 8, name text
    xattr = 7,       // number 8, name text, value text
    no_xattr = 8,    // number 8, name text
    size = 9,        // number 8, size 8
    layout = 10,     // number 8, size 8, kept 8, device 16, count 4, count x (extent 8, offset 8, length 8)
    done = 11,       // request 8
    parity = 12,     // number 8, 1 or 0: 1
    generation = 13, // number 8, generation 8
    flags = 14,      // number 8, flags 4
    residence =
        15, // number 8, residence 1, named handle 1, where residence is kPackedByNvcomp version 4; after its layout
    // number 8, automatic 1, unit 8, count 4, count x device 16: those behind the first; after its inode or layout
    spread = 16,
    linkable = 20, // number 8
    // Of peers; their numbers begin apart, so that files may have more.
    ticket_secret = 32, // 32 bytes
    holder = 33,        // number 8, pid 4, start time 8, unanswered 8
    no_holder = 34,     // number 8
    lease = 35,         // number 8, holder 8, inode 8, kind 1, count 4, count x extent 8
    no_lease = 36,      // number 8
    next_lease = 37,    // number 8
};

/// Of item 15: packed, and it needs nvCOMP. Else Residence's numbers.
inline constexpr std::uint8_t kPackedByNvcomp = 2;

} // namespace gmemfs
