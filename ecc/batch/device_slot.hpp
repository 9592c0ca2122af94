// DeviceSlot: a slot's stream and staging on a device, and how a piece of a batch goes through it.
//
//     pinned        pages or streams, on their way to the device and back; pages at a stride of a multiple of 16
//     first         pack: the pages, then the streams laid together      unpack: the streams, each at a multiple of 16
//     second        pack: the streams, at the stride of the bound        unpack: the pages
//     temp          nvCOMP's own
//     tables        what nvCOMP takes: addresses and sizes, a row of 8 bytes a page each
#pragma once

#include "ecc/batch/batch_device.hpp"
#include "ecc/batch/streams.hpp"
#include "vmm/device/staging.hpp"
#include "vmm/device/stream.hpp"

#include <chrono>
#include <memory>
#include <optional>
#include <span>

namespace gmemfs {

/// Nanoseconds since it was last asked. Not thread-safe.
class LapClock {
public:
    std::uint64_t lap() {
        const Clock::time_point now = Clock::now();
        const auto taken = std::chrono::duration_cast<std::chrono::nanoseconds>(now - began_);
        began_ = now;
        return static_cast<std::uint64_t>(taken.count());
    }

private:
    using Clock = std::chrono::steady_clock;
    Clock::time_point began_ = Clock::now();
};

/// All of a slot's thread: its context is current there. Not thread-safe. What was queued has ended when a function
/// returns, also with an Error.
class DeviceSlot {
public:
    static Result<std::unique_ptr<DeviceSlot>> create(BatchDevice &device);

    /// The next `count` pages of the batch, packed or unpacked by nvCOMP, where can_compute(). Times are added.
    /// EBADMSG: a stream that has another checksum, or that nvCOMP can't decode. ENOSPC, ENOMEM: no memory for the
    /// staging.
    Result<void> pack(
        const BatchWork &work, std::uint64_t count, const Hands &hands, PackedStreams &streams, BatchTimes &times);
    Result<void> unpack(
        const BatchWork &work, std::uint64_t count, const Hands &hands, PackedStreams &streams, BatchTimes &times);

    /// Pages of the device for the processors: pinned memory for `size` bytes, and the way there and back.
    Result<std::byte *> pinned(std::size_t size);
    Result<void> read(CUdeviceptr from, std::size_t size);
    Result<void> write(CUdeviceptr to, std::size_t size);

private:
    // Rows of the tables. Those that go to the device lie together, and so do those that come back.
    enum Row : unsigned { kInput, kInputSize, kOutput, kCapacity, kOutputSize, kStatus, kPieces, kRows = kPieces + 3 };
    struct Pages { // where they lie on the device
        CUdeviceptr first;
        std::size_t stride;
    };
    DeviceSlot(BatchDevice &device, Stream stream) : device_(device), stream_(std::move(stream)) {}

    Result<void> reserve(const BatchWork &work, std::uint64_t count, std::size_t temp_size);
    Result<std::size_t> temp_size(const BatchWork &work, std::uint64_t count) const;
    Result<Pages> pages_to_device(const BatchWork &work, std::uint64_t first, std::uint64_t count, const Hands &hands);
    Result<void> streams_to_device(const BatchWork &work, std::uint64_t count, const Hands &hands,
        const PackedStreams &streams, const Pages &pages);
    Result<void> streams_from_device(
        const BatchWork &work, std::uint64_t count, const Hands &hands, PackedStreams &streams);
    Result<void> pages_from_device(
        const BatchWork &work, std::uint64_t first, std::uint64_t count, const Hands &hands, const Pages &pages);
    Result<void> compress(const BatchWork &work, std::uint64_t count);
    Result<void> decompress(const BatchWork &work, std::uint64_t count);
    Result<void> check_statuses(const BatchWork &work, std::uint64_t count, const PackedStreams &streams) const;

    std::span<std::uint64_t> row(unsigned index) const;
    CUdeviceptr device_row(unsigned index) const;
    Result<void> copy_rows_in(unsigned first, unsigned count);
    Result<void> move_pieces(CUdeviceptr from, CUdeviceptr to, std::uint64_t count);
    Result<void> queue_in(CUdeviceptr to, const std::byte *from, std::size_t size);
    Result<void> queue_out(std::byte *to, CUdeviceptr from, std::size_t size);
    Result<void> wait();
    Result<void> waited(const Result<void> &queued); // waits, whatever `queued` is
    Result<void> grow(std::optional<DeviceBuffer> &buffer, std::size_t size) const;
    const Driver &driver() const { return device_.device().driver(); }

    BatchDevice &device_;
    Stream stream_;
    std::optional<PinnedBuffer> pinned_, tables_;
    std::optional<DeviceBuffer> first_, second_, temp_, device_tables_;
    std::uint64_t row_count_ = 0; // pages that a row of the tables has room for
};

} // namespace gmemfs
