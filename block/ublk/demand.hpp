// Demand: what a descriptor of the kernel's asks of a disk.
#pragma once

#include "block/disk/request.hpp"
#include "block/ublk/wire.hpp"

#include <optional>

namespace gmemfs::block::ublk {

/// What requests of a device may be. A plain value.
struct Limits {
    std::uint64_t size;    ///< bytes of the disk
    std::size_t io_size;   ///< bytes of a request's buffer
    std::size_t alignment; ///< bytes that requests are whole multiples of
};

/// A plain value.
struct Demand {
    std::optional<Request> request; ///< none: it is answered at once
    int code;                       ///< the answer: 0, or an errno
};

/// `bytes` is the tag's buffer. EINVAL: it isn't what the kernel was told that it may ask. EOPNOTSUPP: no such
/// operation here.
Demand read_descriptor(const Descriptor &descriptor, std::byte *bytes, const Limits &limits);

} // namespace gmemfs::block::ublk
