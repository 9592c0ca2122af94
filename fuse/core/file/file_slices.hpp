// File, slices: the memory that a range of a file lies in, plain or decoded for the occasion.
#pragma once

#include "fuse/core/file/file.hpp"

#include <algorithm>

namespace gmemfs {

template <typename Visit>
Result<void> File::for_each_slice(
    Copiers &copiers, std::uint64_t offset, std::uint64_t length, Windows &held, Visit visit) {
    if (residence_ == Residence::plain) return extents_.for_each(offset, length, visit);
    constexpr std::uint64_t kSize = UnpackedWindows::kSize;
    constexpr std::size_t kWindowsAtOnce = 4; // a copy of gigabytes has no more decoded at a time
    for (std::uint64_t done = 0; done < length;) {
        const std::uint64_t at = offset + done, within = at % kSize;
        const std::uint64_t part = std::min(length - done, kSize - within);
        if (held.size() == kWindowsAtOnce) {
            TRY(copiers.wait());
            held.clear();
        }
        held.push_back(TRY(unpacked(at / kSize)));
        const Slice window = held.back()->memory.slice();
        TRY(visit(Slice{window.extent, window.offset + within, part}, done));
        done += part;
    }
    return {};
}

} // namespace gmemfs
