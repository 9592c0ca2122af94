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
// nvCOMP's decoders believe what they are given: what a damaged stream makes them do is undefined. So nothing is
// decoded whose checksum is wrong, and a stream's checksum is that of bytes that were decoded and compared when they
// were made. A stream can be read by nvCOMP of exactly the version that has made it, as far as anybody promises.
#pragma once

#include "ecc/nvcomp/nvcomp.hpp"
#include "ecc/pack/foreign_work.hpp"
#include "ecc/parity/pool.hpp"

#include <cstdint>
#include <optional>
#include <span>
#include <utility>
#include <vector>

namespace gmemfs {

/// See ForeignWork.
class NvcompWork final : public ForeignWork {
public:
    /// What nvCOMP wants to know and to have for `slots` chunks at a time, on the device, at a multiple of 256.
    struct Memory {
        std::uint64_t slots;
        std::uint64_t temp_size;   ///< bytes; ANS of version 6.0 wants none
        std::uint64_t window_size; ///< bytes; 0: it decodes alone
        std::uint64_t size() const;
    };
    enum class Use { decode, encode };
    /// For chunks of these codecs; others' are passed over. EIO: nvCOMP doesn't say.
    static Result<Memory> memory_for(const Nvcomp &nvcomp, std::uint64_t slots, Use use, std::span<const Codec> codecs);

    /// `own`: the memory at `at`, where it is this work's alone.
    NvcompWork(const Nvcomp &nvcomp, const PackKernels &kernels, CUstream stream, const Memory &memory, CUdeviceptr at,
        std::optional<PoolPiece> own);
    ~NvcompWork() override { (void)wait(); }
    NvcompWork(const NvcompWork &) = delete;
    NvcompWork &operator=(const NvcompWork &) = delete;

    /// Where `types` says what is in the middle of a chunk, ANS tries that; else what our own codec for the chunk
    /// suggests.
    Result<void> plan(
        const Chunks &chunks, std::span<ImageEntry> entries, PackBy by, const TensorTypes &types) override;
    Result<void> encode(const Chunks &chunks, std::span<const ImageEntry> entries, CUdeviceptr findings) override;
    Result<void> decode(const Chunks &chunks, std::span<const ImageEntry> entries) override;

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

    const std::optional<PoolPiece> own_; // the first: what the stream does with it ends before it goes
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
