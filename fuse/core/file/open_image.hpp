// OpenImage: a file's image, open for reading: it stays as it was, whatever becomes of the file meanwhile.
//
// Of a packed file it is the image that the file has. Nobody writes to an image, so holding its extents is enough. Of a
// plain file, and of one that nvCOMP has packed, it is an image that was made for this alone, and goes with it. Whoever
// opens it is charged for its memory, because the file's owner may let go of it first.
#pragma once

#include "ecc/digest/digest.hpp"
#include "fuse/core/space/quota.hpp"
#include "vmm/memory/copiers.hpp"
#include "vmm/memory/extent_list.hpp"

#include <algorithm>
#include <cstdint>
#include <memory>
#include <optional>
#include <span>
#include <utility>

namespace gmemfs {

/// Thread-safe once it is made.
class OpenImage {
public:
    struct Origin {
        std::uint64_t plain_size; ///< bytes, of the file
        bool is_own;              ///< the file is packed, and this is its image, or would be by our own codecs
        bool is_made;             ///< for this alone, so that it takes memory of its own
        std::optional<Digest> digest;
    };

    explicit OpenImage(Quotas &quotas) : charge_(quotas) {}
    /// Charges `reader` for `bytes`. EDQUOT.
    Result<void> charge(uid_t reader, std::uint64_t bytes) {
        TRY(charge_.move_to(reader));
        return charge_.raise_to(bytes);
    }
    void hold(ExtentList extents, std::uint64_t size, const Origin &origin) {
        extents_ = std::move(extents);
        size_ = size;
        origin_ = origin;
    }

    std::uint64_t size() const { return size_; } ///< bytes
    const Origin &origin() const { return origin_; }
    /// Up to to.size() bytes from `position`: fewer only at the end. `to` is pinned memory. EIO: the device.
    Result<std::size_t> read(Copiers &copiers, std::uint64_t position, std::span<std::byte> to) const {
        if (position >= size_) return std::size_t(0);
        const std::uint64_t length = std::min<std::uint64_t>(to.size(), size_ - position);
        if (length == 0) return std::size_t(0);
        TRY(copiers.wait_after(extents_.for_each(position, length,
            [&](Slice slice, std::uint64_t done) { return copiers.queue_read(slice, to.data() + done); })));
        return static_cast<std::size_t>(length);
    }

private:
    Charge charge_;
    ExtentList extents_;
    std::uint64_t size_ = 0;
    Origin origin_ = {};
};

} // namespace gmemfs
