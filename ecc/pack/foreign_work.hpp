// ForeignWork: the chunks of an image that codecs of others pack and decode: nvCOMP on the device, or processors.
#pragma once

#include "ecc/pack/kernels.hpp"
#include "ecc/pack/tensor_types.hpp"

#include <cstdint>
#include <span>

namespace gmemfs {

/// Which chunks foreign codecs pack.
enum class PackBy {
    automatic, ///< those that get smaller by nvCOMP's codecs than by our own, where that makes the image 1/64 smaller
    own,       ///< none: what every server reads, and what goes to a disk
    ans,       ///< all of which nvCOMP's ANS saves 3 %; ENOPKG where there is no nvCOMP
    lz4,       ///< those that get smaller by LZ4 than by our own codecs; by nvCOMP, or else by processors
    zstd,      ///< the same by zstd
};

/// Who packs them.
enum class Helper { none, nvcomp, processors };

/// One call's work on a stream. Not thread-safe. The context is current in this thread. Of what it is given, the
/// entries on the device are those on the host. Each function waits for what it does.
class ForeignWork {
public:
    using Chunks = PackKernels::Chunks;

    ForeignWork() = default;
    ForeignWork(const ForeignWork &) = delete;
    ForeignWork &operator=(const ForeignWork &) = delete;
    virtual ~ForeignWork() = default; ///< waits for the stream

    /// Gives those entries a foreign codec and length for which `by` says so; uses the plain bytes alone.
    virtual Result<void> plan(
        const Chunks &chunks, std::span<ImageEntry> entries, PackBy by, const TensorTypes &types) = 0;
    /// Writes its chunks to their places, and compares them, decoded, with the plain bytes. EIO: they differ, or
    /// something else was made of them than for the plan; the text names the chunk.
    virtual Result<void> encode(const Chunks &chunks, std::span<const ImageEntry> entries, CUdeviceptr findings) = 0;
    /// Decodes its chunks, whose checksums are right. EBADMSG: one is none, which the text names.
    virtual Result<void> decode(const Chunks &chunks, std::span<const ImageEntry> entries) = 0;
};

} // namespace gmemfs
