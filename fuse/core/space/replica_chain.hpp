// Replica chain: copies a file's bytes to several devices, each from its neighbour, piece by piece; checks each copy.
//
//     step 1    GPU 0 --piece 1--> GPU 1
//     step 2    GPU 0 --piece 2--> GPU 1 --piece 1--> GPU 2
//     step 3    GPU 0 --piece 3--> GPU 1 --piece 2--> GPU 2 --piece 1--> GPU 3      ...
//
// All links are used at once, and each device reads and writes no more than once the bytes. Behind the copies each
// device digests what it has got.
#pragma once

#include "fuse/core/space/storage.hpp"
#include "vmm/memory/copiers.hpp"
#include "vmm/memory/extent_list.hpp"

#include <optional>
#include <vector>

namespace gmemfs {

/// One copy of a file's bytes: an extent on another device than the file's own.
struct Replica {
    std::shared_ptr<Extent> extent;
    Device &device() const { return extent->device(); }
};

/// Copies the first `length` bytes of `source` to all of `targets`, and returns their digest; `known` is the digest of
/// the source, where that is known. Nobody writes to the source meanwhile. EIO: a device failed, or a copy has another
/// digest. ENOSPC: see Digester.
Result<Digest> copy_in_chain(Storage &storage, Copiers &copiers, const ExtentList &source, std::uint64_t length,
    const std::vector<Replica> &targets, const std::optional<Digest> &known);

} // namespace gmemfs
