// NvcompWork: the chunks of an image that nvCOMP packs and decodes, on the device, by ANS, LZ4 or zstd.
//
//     plan      plain --nvCOMP--> window; its lengths are looked at, its bytes are not
//     encode    plain --nvCOMP--> window --gather--> image --nvCOMP--> window, compared with plain
//     decode    image, whose checksums were found right --nvCOMP--> plain
//
// nvCOMP writes a chunk's stream into a buffer that is larger than the chunk, and tells its length afterwards; images
// have each chunk at its place, without gaps. So what is packed goes through a window, a slot a chunk, and is packed
// twice: the image's size has to be known before there is memory for it.
//
// Many chunks go in parts, by two lanes. While the host looks at what came of one part, the device has the other:
//
//     lane 0   | compress 0 | place, compare 0 | compress 2       | place, ...
//     lane 1                | compress 1       | place, compare 1 | compress 3
//
// nvCOMP's decoders believe what they are given: what a damaged stream makes them do is undefined. So nothing is
// decoded whose checksum is wrong, and a stream's checksum is that of bytes that were decoded and compared when they
// were made. A stream can be read by nvCOMP of exactly the version that has made it, as far as anybody promises.
#pragma once

#include "ecc/pack/nvcomp_lane.hpp"
#include "ecc/parity/pool.hpp"
#include "vmm/device/stream.hpp"

#include <cstdint>
#include <optional>
#include <span>
#include <vector>

namespace gmemfs {

/// See ForeignWork.
class NvcompWork final : public ForeignWork {
public:
    using Use = NvcompLane::Use;
    /// For both lanes, or for one.
    struct Memory {
        NvcompLane::Memory lane;
        std::uint64_t lanes;
        std::uint64_t size() const { return lanes * lane.size(); } ///< bytes, at a multiple of 256
    };
    /// For `count` chunks, of which a lane has at most `slots`. See NvcompLane::memory_for.
    static Result<Memory> memory_for(
        const Nvcomp &nvcomp, std::uint64_t count, std::uint64_t slots, Use use, std::span<const Codec> codecs);

    /// `own`: the memory at `at`, where it is this work's alone. The first lane uses `stream`, and the second one its
    /// own.
    static Result<std::unique_ptr<NvcompWork>> create(const Nvcomp &nvcomp, const PackKernels &kernels, CUstream stream,
        const Memory &memory, CUdeviceptr at, std::optional<PoolPiece> own);
    ~NvcompWork() override {
        for (NvcompLane &lane : lanes_) (void)lane.wait();
    }
    NvcompWork(const NvcompWork &) = delete;
    NvcompWork &operator=(const NvcompWork &) = delete;

    /// Where `types` says what is in the middle of a chunk, ANS tries that; else what our own codec for the chunk
    /// suggests.
    Result<void> plan(
        const Chunks &chunks, std::span<ImageEntry> entries, PackBy by, const TensorTypes &types) override;
    Result<void> encode(const Chunks &chunks, std::span<const ImageEntry> entries, CUdeviceptr findings) override;
    Result<void> decode(const Chunks &chunks, std::span<const ImageEntry> entries) override;

private:
    NvcompWork(const Nvcomp &nvcomp, std::uint64_t slots, std::optional<PoolPiece> own, std::optional<Stream> second)
        : own_(std::move(own)), second_(std::move(second)), nvcomp_(nvcomp), slots_(slots) {}
    template <typename Begin, typename Go, typename End>
    Result<void> each_part(
        const Chunks &chunks, std::span<const ImageEntry> entries, const Begin &begin, const Go &go_on, const End &end);

    const std::optional<PoolPiece> own_; // the first: what the streams do with it ends before it goes
    const std::optional<Stream> second_;
    const Nvcomp &nvcomp_;
    const std::uint64_t slots_;     // of a lane
    std::vector<NvcompLane> lanes_; // one or two
};

} // namespace gmemfs
