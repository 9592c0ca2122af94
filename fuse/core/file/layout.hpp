// Layout: what memory a file has, and how its size and its bytes lie in it: one value, that is published whole.
#pragma once

#include "fuse/core/journal/volume_state.hpp"
#include "vmm/memory/extent_list.hpp"

#include <cerrno>
#include <cstdint>

namespace gmemfs {

/// A plain value. What lies between the size and the end of the extents is the tail.
struct Layout {
    enum class Tail {
        zeros,
        dirty, ///< it may hold anything: bytes are cleared before they become part of the file
    };
    enum class Fit {
        tight,
        loose, ///< more memory, or more extents, than the file needs: settling may do something about it
    };

    ExtentList extents;     ///< the file's bytes, or where it is packed its image: one extent
    std::uint64_t size = 0; ///< bytes; where the file is plain, not past the end of the extents
    std::uint64_t kept = 0; ///< bytes that allocate() promised, also past the size
    Tail tail = Tail::zeros;
    Fit fit = Fit::tight;
    Residence residence = Residence::plain;
    std::uint32_t nvcomp = 0; ///< where it is packed: the version of nvCOMP that its image needs; 0: none
};

/// There is no memory for it, or none for its owner.
inline bool is_no_space(const Error &error) { return error.code == ENOSPC || error.code == EDQUOT; }

} // namespace gmemfs
