// BatchSlot: runs one batch at a time, piece by piece, by the processors or by the GPU.
#pragma once

#include "ecc/batch/device_slot.hpp"

#include <cstddef>
#include <memory>

namespace gmemfs {

/// How much of a batch is staged at once.
struct SlotLimits {
    std::size_t staging = 64 * MiB;                         ///< bytes of pages
    static constexpr std::uint64_t kPiecePagesMax = 16'384; ///< nvCOMP wants 32 KiB for each, to pack LZ4
};

/// Belongs to one thread, in which what it has on the device is made and freed.
class BatchSlot {
public:
    BatchSlot(Processors &processors, PageCodec codec, BatchDeviceOnce &device, SlotLimits limits)
        : processors_(processors), codec_(std::move(codec)), device_(device), limits_(limits) {}

    /// What has happened, and where. `backend` is cpu or gpu. Errors: see gmemfs_pack_batch in client/lib/gmemfs.h.
    Result<BatchReport> run(const BatchWork &work, Backend backend);

    /// Whether the GPU can do such a batch at all, and else why not.
    Result<void> can_use_gpu(const BatchWork &work);
    BatchDeviceOnce &device() const { return device_; }
    SlotLimits limits() const { return limits_; }
    /// Gives all device and pinned memory back; the next batch makes it anew.
    void release() { device_slot_.reset(); }

private:
    Result<DeviceSlot *> device_slot();
    Result<void> pack_by_cpu(const BatchWork &work, std::uint64_t count, PackedStreams &streams, BatchTimes &times);
    Result<void> unpack_by_cpu(const BatchWork &work, std::uint64_t count, PackedStreams &streams, BatchTimes &times);
    Result<void> run_piece(
        const BatchWork &work, Backend backend, std::uint64_t count, PackedStreams &streams, BatchTimes &times);
    Hands hands() { return {processors_, codec_}; }

    Processors &processors_;
    PageCodec codec_;
    BatchDeviceOnce &device_;
    const SlotLimits limits_;
    std::unique_ptr<std::byte[]> coded_; // what the processors pack, before it is laid together
    std::size_t coded_size_ = 0;
    std::unique_ptr<DeviceSlot> device_slot_;
};

} // namespace gmemfs
