// NvcompLane: calls of nvCOMP for some chunks at a time, on one stream, with memory of their own. For NvcompWork.
#pragma once

#include "ecc/nvcomp/nvcomp.hpp"
#include "ecc/pack/foreign_work.hpp"

#include <cstdint>
#include <span>
#include <vector>

namespace gmemfs {

/// Not thread-safe. The context is current in this thread. What is queued ends before the lane goes: who has it waits.
class NvcompLane {
public:
    using Chunks = PackKernels::Chunks;

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

    NvcompLane(const Nvcomp &nvcomp, const PackKernels &kernels, CUstream stream, const Memory &memory, CUdeviceptr at);

    /// The chunks that the next calls are about; at most `slots`.
    void take(const Chunks &chunks, std::span<const ImageEntry> entries);
    void clear() { order_.clear(); }
    bool is_empty() const { return order_.empty(); } ///< none of them is nvCOMP's
    const Chunks &chunks() const { return chunks_; }
    const ImageEntry &entry(std::uint64_t slot) const { return entries_[order_[slot]]; }
    std::uint64_t index(std::uint64_t slot) const { return order_[slot]; } ///< of the chunks that were taken
    std::uint64_t count() const { return order_.size(); }                  ///< slots

    /// Queues: each chunk's stream into its slot of the window.
    Result<void> compress();
    /// Queues: from their places in the image to `to`, one every `stride` bytes.
    Result<void> decompress(CUdeviceptr to, std::uint64_t stride);
    /// Waits for what was queued, and brings what nvCOMP told of each chunk.
    Result<void> finish();
    /// After finish(). Of a stream, or of what was made of one.
    std::uint64_t length(std::uint64_t slot) const { return rows_[kOutputSize * slots_ + slot]; }
    NvcompStatus status(std::uint64_t slot) const;
    /// After finish() of a decompress(). EBADMSG: a chunk is none; the text names it.
    Result<void> check_decoded() const;

    /// Queues: the window's streams to their places in the image, then decoded into the window again, and compared
    /// with the plain bytes.
    Result<void> place_and_compare(CUdeviceptr findings);

    Result<void> wait();

private:
    // Rows of 8 bytes a slot; those that go to the device lie together, and so do those that come back.
    enum Row : unsigned { kInput, kInputSize, kOutput, kCapacity, kOutputSize, kStatus, kRows };
    template <typename Call>
    Result<void> queue(unsigned rows_in, const char *doing, const Call &call_codec);
    CUdeviceptr row(unsigned index) const { return at_ + index * slots_ * sizeof(std::uint64_t); }
    std::uint64_t &value(unsigned index, std::uint64_t slot) { return rows_[index * slots_ + slot]; }
    Device &device() const { return kernels_.device(); }

    const Nvcomp &nvcomp_;
    const PackKernels &kernels_;
    const CUstream stream_;
    const CUdeviceptr at_;
    const std::uint64_t slots_, temp_size_;
    CUdeviceptr temp_, window_;       // behind the rows
    std::uint64_t stride_;            // bytes of a slot of the window
    std::vector<std::uint64_t> rows_; // rows_[row][slot], as the device has them
    Chunks chunks_ = {};
    std::span<const ImageEntry> entries_; // of the chunks
    std::vector<std::uint64_t> order_;    // the chunks that are nvCOMP's, those of one codec together
    struct Group {
        Codec codec;
        std::uint64_t first, count; // of order_
    };
    std::vector<Group> groups_;
};

} // namespace gmemfs
