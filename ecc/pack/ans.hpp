// Ans: the chunks of an image that nvCOMP's ANS codec packs and decodes, on the device.
//
//     plan      plain --nvCOMP--> window; its lengths are looked at, its bytes are not
//     encode    plain --nvCOMP--> window --gather--> image --nvCOMP--> window, compared with plain
//     decode    image, whose checksums were found right --nvCOMP--> plain
//
// nvCOMP writes a chunk's stream into a buffer that is larger than the chunk, and tells its length afterwards; images
// have each chunk at its place, without gaps. So what is packed goes through a window, a slot a chunk, and is packed
// twice: the image's size has to be known before there is memory for it.
//
// nvCOMP's decoders believe what they are given: what a damaged stream makes them do is undefined. So nothing is
// decoded whose checksum is wrong, and a stream's checksum is that of bytes that were decoded and compared when they
// were made. A stream can be read by nvCOMP of exactly the version that has made it, as far as anybody promises.
#pragma once

#include "ecc/nvcomp/nvcomp.hpp"
#include "ecc/pack/kernels.hpp"
#include "ecc/pack/tensor_types.hpp"

#include <cstdint>
#include <span>
#include <utility>
#include <vector>

namespace gmemfs {

/// Which chunks nvCOMP packs.
enum class PackBy {
    automatic, ///< those that get smaller by it than by our own codecs, where that makes the image 1/64 smaller
    own,       ///< none: what every server reads, and what goes to a disk
    ans,       ///< all of which it saves 3 %; ENOPKG where there is no nvCOMP
};

/// One call's work with nvCOMP on a stream. Not thread-safe. encode() may leave the last comparison queued; the
/// destructor waits.
/// The context is current in this thread. Of what it is given, the entries on the device are those on the host.
class AnsWork {
public:
    using Chunks = PackKernels::Chunks;

    /// What nvCOMP wants to know and to have for `slots` chunks at a time, on the device, at a multiple of 256.
    struct Memory {
        std::uint64_t slots;
        std::uint64_t temp_size;   ///< bytes; none with version 6.0
        std::uint64_t window_size; ///< bytes; 0: it decodes alone
        std::uint64_t size() const;
    };
    enum class Use { decode, encode };
    /// EIO: nvCOMP doesn't say.
    static Result<Memory> memory_for(const Nvcomp &nvcomp, std::uint64_t slots, Use use);

    AnsWork(const Nvcomp &nvcomp, const PackKernels &kernels, CUstream stream, const Memory &memory, CUdeviceptr at);
    ~AnsWork() { (void)wait(); }
    AnsWork(const AnsWork &) = delete;
    AnsWork &operator=(const AnsWork &) = delete;

    /// Gives those entries nvCOMP's codec and length for which `by` says so; uses the plain bytes alone. Where `types`
    /// says what is in the middle of a chunk, that is tried; else what our own codec for the chunk suggests.
    Result<void> plan(const Chunks &chunks, std::span<ImageEntry> entries, PackBy by, const TensorTypes &types);
    /// Writes its chunks to their places, and compares them, decoded, with the plain bytes. EIO: they differ, or nvCOMP
    /// has made something else of them than for the plan; the text names the chunk.
    Result<void> encode(const Chunks &chunks, std::span<const ImageEntry> entries, CUdeviceptr findings);
    /// Decodes its chunks, whose checksums are right. EBADMSG: one is none, which the text names.
    Result<void> decode(const Chunks &chunks, std::span<const ImageEntry> entries);

private:
    // Rows of 8 bytes a slot; those that go to the device lie together, and so do those that come back.
    enum Row : unsigned { kInput, kInputSize, kOutput, kCapacity, kOutputSize, kStatus, kRows };
    struct Part { // chunks that fit into the slots
        Chunks chunks;
        std::span<const ImageEntry> entries;
    };
    template <typename Visit>
    Result<void> each_part(const Chunks &chunks, std::span<const ImageEntry> entries, const Visit &visit);
    Result<void> compress(const Part &part);
    Result<void> decompress(const Part &part, CUdeviceptr to, std::uint64_t stride);
    Result<void> compare(const Part &part, CUdeviceptr findings);
    void sort(std::span<const ImageEntry> entries);
    template <typename Call>
    Result<void> call(unsigned rows_in, const char *doing, const Call &call_codec);
    Result<void> wait();
    CUdeviceptr row(unsigned index) const { return at_ + index * slots_ * sizeof(std::uint64_t); }
    std::uint64_t &value(unsigned index, std::uint64_t slot) { return rows_[index * slots_ + slot]; }
    NvcompStatus status(std::uint64_t slot) const;
    Device &device() const { return kernels_.device(); }

    const Nvcomp &nvcomp_;
    const PackKernels &kernels_;
    const CUstream stream_;
    const CUdeviceptr at_;
    const std::uint64_t slots_, temp_size_;
    CUdeviceptr entries_, temp_, window_; // behind the rows
    std::uint64_t stride_;                // bytes of a slot of the window
    std::vector<std::uint64_t> rows_;     // rows_[row][slot], as the device has them
    std::vector<std::uint64_t> order_;    // of a part: its chunks that are nvCOMP's, those of one codec together
    struct Group {
        Codec codec;
        std::uint64_t first, count; // of order_
    };
    std::vector<Group> groups_;
    std::vector<ImageEntry> moved_; // of a part, as the window has it
};

} // namespace gmemfs
