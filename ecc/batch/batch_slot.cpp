#include "ecc/batch/batch_slot.hpp"

#include <algorithm>
#include <new>

namespace gmemfs {
namespace {

constexpr std::size_t kCpuPiece = 8 * MiB; // of pages: what is packed is laid together while it is in a cache

} // namespace

Result<BatchReport> BatchSlot::run(const BatchWork &work, Backend backend) {
    GMEMFS_ASSERT(backend != Backend::automatic);
    BatchReport report;
    report.backend = backend;
    LapClock clock;
    const std::size_t staged = backend == Backend::cpu ? std::min(kCpuPiece, limits_.staging) : limits_.staging;
    const std::uint64_t most = std::clamp<std::uint64_t>(staged / work.page_size, 1, SlotLimits::kPiecePagesMax);
    PackedStreams streams(work);
    while (streams.first() < work.page_count)
        TRY(run_piece(work, backend, std::min(most, work.page_count - streams.first()), streams, report.times));
    report.plain_size = work.plain_size();
    report.packed_size = streams.end();
    report.times.total_ns = clock.lap();
    return report;
}

Result<void> BatchSlot::run_piece(
    const BatchWork &work, Backend backend, std::uint64_t count, PackedStreams &streams, BatchTimes &times) {
    const bool is_pack = work.direction == Direction::pack;
    if (backend == Backend::cpu)
        return is_pack ? pack_by_cpu(work, count, streams, times) : unpack_by_cpu(work, count, streams, times);
    TRY(can_use_gpu(work));
    DeviceSlot &slot = *TRY(device_slot());
    return is_pack ? slot.pack(work, count, hands(), streams, times)
                   : slot.unpack(work, count, hands(), streams, times);
}

Result<void> BatchSlot::can_use_gpu(const BatchWork &work) {
    if (work.direction == Direction::unpack && work.checksums == nullptr)
        return Error{EINVAL, 0, "unpack by the GPU", "streams without checksums"};
    const BatchDevice &device = *TRY(device_.get());
    return device.can_compute();
}

Result<DeviceSlot *> BatchSlot::device_slot() {
    if (!device_slot_) {
        BatchDevice &device = *TRY(device_.get());
        device_slot_ = TRY(DeviceSlot::create(device));
    }
    return device_slot_.get();
}

Result<void> BatchSlot::pack_by_cpu(
    const BatchWork &work, std::uint64_t count, PackedStreams &streams, BatchTimes &times) {
    LapClock clock;
    const std::uint64_t first = streams.first(), place = first * work.page_size;
    const std::byte *pages = work.memory == PageMemory::host ? work.host_pages() + place : nullptr;
    if (pages == nullptr) {
        DeviceSlot &slot = *TRY(device_slot());
        pages = TRY(slot.pinned(count * work.page_size));
        TRY(slot.read(work.pages + place, count * work.page_size));
        times.from_device_ns += clock.lap();
    }
    const std::size_t bound = packed_bound(work.algorithm, work.page_size);
    if (coded_size_ < count * bound) {
        coded_.reset(new (std::nothrow) std::byte[count * bound]);
        coded_size_ = coded_ ? count * bound : 0;
        if (!coded_) return Error{ENOMEM, 0, "pack batch", "no host memory for its streams"};
    }
    std::vector<std::uint64_t> offsets(count);
    TRY(hands().each_part(count, work.page_size, [&](PageCodec &codec, std::uint64_t begin, std::uint64_t part) {
        for (std::uint64_t index = begin; index < begin + part; ++index) {
            offsets[index] = index * bound;
            work.sizes[first + index] = static_cast<std::uint32_t>(codec.encode(work.algorithm,
                {pages + index * work.page_size, work.page_size}, {coded_.get() + offsets[index], bound}));
        }
        return Result<void>();
    }));
    TRY(streams.append(hands(), coded_.get(), offsets));
    times.compute_ns += clock.lap();
    return {};
}

Result<void> BatchSlot::unpack_by_cpu(
    const BatchWork &work, std::uint64_t count, PackedStreams &streams, BatchTimes &times) {
    LapClock clock;
    const std::uint64_t place = streams.first() * work.page_size;
    TRY(streams.open_piece(count));
    std::byte *const pages = work.memory == PageMemory::host ? work.host_pages() + place
                                                             : TRY(TRY(device_slot())->pinned(count * work.page_size));
    TRY(hands().each_part(count, work.page_size, [&](PageCodec &codec, std::uint64_t begin, std::uint64_t part) {
        for (std::uint64_t index = begin; index < begin + part; ++index) {
            const std::span<const std::byte> stream = streams.stream(index);
            if (Result<void> checked = streams.check(index, stream); !checked) return checked;
            const Result<void> decoded =
                codec.decode(work.algorithm, stream, {pages + index * work.page_size, work.page_size});
            if (!decoded) return Result<void>(streams.about_page(index, decoded.error()));
        }
        return Result<void>();
    }));
    times.compute_ns += clock.lap();
    if (work.memory == PageMemory::host) return {};
    Result<void> written = TRY(device_slot())
    ->write(work.pages + place, count * work.page_size);
    times.to_device_ns += clock.lap();
    return written;
}

} // namespace gmemfs
