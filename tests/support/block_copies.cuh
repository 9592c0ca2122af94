// Block copies: what the kernel block_copies is given: copies of whole 16 bytes, one a block of threads.
#pragma once

#include <cstdint>

namespace gmemfs::test {

struct BlockCopies {
    static constexpr unsigned kMax = 64;
    struct Copy {
        uint64_t from, to; ///< addresses that the device reaches: its memory, or pinned memory of the host
        uint64_t size;     ///< bytes, a multiple of 16
    } copies[kMax];
};

} // namespace gmemfs::test
