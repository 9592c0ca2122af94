// File, slices: where the bytes of a range lie, whether the file is plain or packed. For file_*.cpp alone.
#pragma once

#include "fuse/core/file/file.hpp"

#include <algorithm>

namespace gmemfs {

template <typename Visit>
Result<void> File::for_each_slice(std::uint64_t offset, std::uint64_t length, Windows &held, Visit visit) {
    if (residence_ == Residence::plain) return extents_.for_each(offset, length, visit);
    constexpr std::uint64_t kSize = UnpackedWindows::kSize;
    for (std::uint64_t done = 0; done < length;) {
        const std::uint64_t at = offset + done, within = at % kSize;
        const std::uint64_t part = std::min(length - done, kSize - within);
        held.push_back(TRY(unpacked(at / kSize)));
        Slice slice = held.back()->memory.slice();
        slice.offset += within;
        slice.length = part;
        TRY(visit(slice, done));
        done += part;
    }
    return {};
}

} // namespace gmemfs
