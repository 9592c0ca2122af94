#include "ecc/batch/device_slot.hpp"

#include <algorithm>
#include <cstring>

namespace gmemfs {
namespace {

constexpr std::size_t kAlignment = 16; // nvCOMP's own are 8 at the most; our kernel moves 16 bytes at once
constexpr NvcompOptions kPackOptions = {};
constexpr NvcompOptions kUnpackOptions = {{kNvcompBackendCuda}};

std::size_t page_stride(const BatchWork &work) { return round_up(work.page_size, kAlignment); }
std::size_t stream_stride(const BatchWork &work) {
    return round_up(packed_bound(work.algorithm, work.page_size), kAlignment);
}
// nvCOMP reads and writes such pages where they lie.
bool is_direct(const BatchWork &work) {
    return work.memory == PageMemory::device && (work.pages | work.page_size) % kAlignment == 0;
}

template <typename Pointer>
Pointer pointer(CUdeviceptr address) {
    return reinterpret_cast<Pointer>(address); // NOLINT(performance-no-int-to-ptr): the device's, never followed here
}

} // namespace

Result<std::unique_ptr<DeviceSlot>> DeviceSlot::create(BatchDevice &device) {
    TRY(device.device().make_current());
    Stream stream = TRY(Stream::create(device.device()));
    return std::unique_ptr<DeviceSlot>(new DeviceSlot(device, std::move(stream)));
}

Result<void> DeviceSlot::pack(
    const BatchWork &work, std::uint64_t count, const Hands &hands, PackedStreams &streams, BatchTimes &times) {
    LapClock clock;
    const std::uint64_t first = streams.first();
    TRY(reserve(work, count, TRY(temp_size(work, count))));
    const Pages pages = TRY(pages_to_device(work, first, count, hands));
    for (std::uint64_t index = 0; index < count; ++index) {
        row(kInput)[index] = pages.first + index * pages.stride;
        row(kInputSize)[index] = work.page_size;
        row(kOutput)[index] = second_->address() + index * stream_stride(work);
    }
    TRY(waited(copy_rows_in(kInput, 3)));
    times.to_device_ns += clock.lap();
    TRY(waited(compress(work, count)));
    times.compute_ns += clock.lap();
    Result<void> done = streams_from_device(work, count, hands, streams);
    times.from_device_ns += clock.lap();
    return done;
}

Result<void> DeviceSlot::unpack(
    const BatchWork &work, std::uint64_t count, const Hands &hands, PackedStreams &streams, BatchTimes &times) {
    LapClock clock;
    const std::uint64_t first = streams.first();
    TRY(streams.open_piece(count));
    TRY(reserve(work, count, TRY(temp_size(work, count))));
    const Pages pages = is_direct(work) ? Pages{work.pages + first * work.page_size, work.page_size}
                                        : Pages{second_->address(), page_stride(work)};
    TRY(streams_to_device(work, count, hands, streams, pages));
    times.to_device_ns += clock.lap();
    TRY(waited(decompress(work, count)));
    times.compute_ns += clock.lap();
    TRY(waited(queue_out(reinterpret_cast<std::byte *>(row(kOutputSize).data()), device_row(kOutputSize),
        (kPieces - kOutputSize) * row_count_ * sizeof(std::uint64_t))));
    TRY(check_statuses(work, count, streams));
    for (std::uint64_t index = 0; index < count; ++index)
        if (row(kOutputSize)[index] != work.page_size)
            return streams.about_page(
                index, Error{EBADMSG, 0, "unpack batch",
                           "its stream makes " + std::to_string(row(kOutputSize)[index]) + " bytes"});
    Result<void> done = is_direct(work) ? Result<void>() : pages_from_device(work, first, count, hands, pages);
    times.from_device_ns += clock.lap();
    return done;
}

// ---- the way to the device ------------------------------------------------------------------------------------------

Result<DeviceSlot::Pages> DeviceSlot::pages_to_device(
    const BatchWork &work, std::uint64_t first, std::uint64_t count, const Hands &hands) {
    if (is_direct(work)) return Pages{work.pages + first * work.page_size, work.page_size};
    const Pages pages = {first_->address(), page_stride(work)};
    if (work.memory == PageMemory::device) {
        for (std::uint64_t index = 0; index < count; ++index) {
            const MovePiece piece = {index * work.page_size, index * pages.stride, work.page_size};
            std::memcpy(&row(kPieces)[3 * index], &piece, sizeof piece);
        }
        TRY(waited(move_pieces(work.pages + first * work.page_size, pages.first, count)));
        return pages;
    }
    const std::byte *const from = work.host_pages() + first * work.page_size;
    std::byte *const staged = pinned_->bytes().data();
    TRY(hands.each_part(count, work.page_size, [&](PageCodec &, std::uint64_t begin, std::uint64_t part) {
        if (pages.stride == work.page_size)
            std::memcpy(staged + begin * pages.stride, from + begin * pages.stride, part * pages.stride);
        else
            for (std::uint64_t index = begin; index < begin + part; ++index)
                std::memcpy(staged + index * pages.stride, from + index * work.page_size, work.page_size);
        return Result<void>();
    }));
    TRY(waited(queue_in(pages.first, staged, count * pages.stride)));
    return pages;
}

// Each stream's checksum is that of the copy that goes to the device: nobody can change it any more.
Result<void> DeviceSlot::streams_to_device(
    const BatchWork &work, std::uint64_t count, const Hands &hands, const PackedStreams &streams, const Pages &pages) {
    std::uint64_t end = 0;
    for (std::uint64_t index = 0; index < count; ++index) {
        row(kInput)[index] = first_->address() + end;
        row(kInputSize)[index] = streams.stream(index).size();
        row(kOutput)[index] = pages.first + index * pages.stride;
        row(kCapacity)[index] = work.page_size;
        end += round_up(streams.stream(index).size(), kAlignment);
    }
    std::byte *const staged = pinned_->bytes().data();
    TRY(hands.each_part(count, work.page_size, [&](PageCodec &, std::uint64_t begin, std::uint64_t part) {
        for (std::uint64_t index = begin; index < begin + part; ++index) {
            const std::span<const std::byte> stream = streams.stream(index);
            std::byte *const copy = staged + (row(kInput)[index] - first_->address());
            std::memcpy(copy, stream.data(), stream.size());
            if (Result<void> checked = streams.check(index, {copy, stream.size()}); !checked) return checked;
        }
        return Result<void>();
    }));
    const Result<void> queued = queue_in(first_->address(), staged, end);
    return waited(queued ? copy_rows_in(kInput, 4) : queued);
}

// ---- nvCOMP ---------------------------------------------------------------------------------------------------------

Result<std::size_t> DeviceSlot::temp_size(const BatchWork &work, std::uint64_t count) const {
    const NvcompCodec &codec = device_.codec(work.algorithm);
    std::size_t size = 0;
    const bool is_pack = work.direction == Direction::pack;
    const auto ask = is_pack ? codec.compress_temp_size : codec.decompress_temp_size;
    TRY(device_.nvcomp().check(ask(count, work.page_size, is_pack ? kPackOptions : kUnpackOptions, &size,
                                   count * work.page_size, stream_.get()),
        "size nvCOMP's memory"));
    if (!is_pack) return size;
    std::size_t bound = 0;
    TRY(device_.nvcomp().check(codec.compress_bound(work.page_size, kPackOptions, &bound), "size streams"));
    GMEMFS_ASSERT(bound <= stream_stride(work)); // tests/unit compares the two for many sizes
    return size;
}

Result<void> DeviceSlot::compress(const BatchWork &work, std::uint64_t count) {
    return device_.nvcomp().check(
        device_.codec(work.algorithm)
            .compress(pointer<const void *const *>(device_row(kInput)),
                pointer<const std::size_t *>(device_row(kInputSize)), work.page_size, count,
                pointer<void *>(temp_->address()), temp_->size(), pointer<void *const *>(device_row(kOutput)),
                pointer<std::size_t *>(device_row(kOutputSize)), kPackOptions,
                pointer<NvcompStatus *>(device_row(kStatus)), stream_.get()),
        "pack on the device");
}

Result<void> DeviceSlot::decompress(const BatchWork &work, std::uint64_t count) {
    return device_.nvcomp().check(
        device_.codec(work.algorithm)
            .decompress(pointer<const void *const *>(device_row(kInput)),
                pointer<const std::size_t *>(device_row(kInputSize)),
                pointer<const std::size_t *>(device_row(kCapacity)), pointer<std::size_t *>(device_row(kOutputSize)),
                count, pointer<void *>(temp_->address()), temp_->size(), pointer<void *const *>(device_row(kOutput)),
                kUnpackOptions, pointer<NvcompStatus *>(device_row(kStatus)), stream_.get()),
        "unpack on the device");
}

Result<void> DeviceSlot::check_statuses(
    const BatchWork &work, std::uint64_t count, const PackedStreams &streams) const {
    const auto *const statuses = reinterpret_cast<const NvcompStatus *>(row(kStatus).data());
    for (std::uint64_t index = 0; index < count; ++index) {
        if (statuses[index] == 0) continue;
        Error error = device_.nvcomp().check(statuses[index], "use nvCOMP").error();
        if (work.direction == Direction::unpack) error.code = EBADMSG;
        return streams.about_page(index, std::move(error));
    }
    return {};
}

// ---- the way back ---------------------------------------------------------------------------------------------------

Result<void> DeviceSlot::streams_from_device(
    const BatchWork &work, std::uint64_t count, const Hands &hands, PackedStreams &streams) {
    TRY(waited(queue_out(reinterpret_cast<std::byte *>(row(kOutputSize).data()), device_row(kOutputSize),
        (kPieces - kOutputSize) * row_count_ * sizeof(std::uint64_t))));
    TRY(check_statuses(work, count, streams));
    const std::size_t bound = packed_bound(work.algorithm, work.page_size);
    std::vector<std::uint64_t> offsets(count);
    std::uint64_t end = 0;
    for (std::uint64_t index = 0; index < count; ++index) {
        const std::uint64_t size = row(kOutputSize)[index];
        if (size == 0 || size > bound)
            return Error{
                EIO, 0, "pack on the device", "nvCOMP tells of a stream of " + std::to_string(size) + " bytes"};
        offsets[index] = end;
        work.sizes[streams.first() + index] = static_cast<std::uint32_t>(size);
        const MovePiece piece = {index * stream_stride(work), end, round_up(size, kAlignment)}; // it has so much room
        std::memcpy(&row(kPieces)[3 * index], &piece, sizeof piece);
        end += piece.size;
    }
    const Result<void> moved = move_pieces(second_->address(), first_->address(), count);
    TRY(waited(moved ? queue_out(pinned_->bytes().data(), first_->address(), end) : moved));
    return streams.append(hands, pinned_->bytes().data(), offsets);
}

Result<void> DeviceSlot::pages_from_device(
    const BatchWork &work, std::uint64_t first, std::uint64_t count, const Hands &hands, const Pages &pages) {
    if (work.memory == PageMemory::device) {
        for (std::uint64_t index = 0; index < count; ++index) {
            const MovePiece piece = {index * pages.stride, index * work.page_size, work.page_size};
            std::memcpy(&row(kPieces)[3 * index], &piece, sizeof piece);
        }
        return waited(move_pieces(pages.first, work.pages + first * work.page_size, count));
    }
    std::byte *const to = work.host_pages() + first * work.page_size;
    const std::byte *const staged = pinned_->bytes().data();
    TRY(waited(queue_out(pinned_->bytes().data(), pages.first, count * pages.stride)));
    return hands.each_part(count, work.page_size, [&](PageCodec &, std::uint64_t begin, std::uint64_t part) {
        for (std::uint64_t index = begin; index < begin + part; ++index)
            std::memcpy(to + index * work.page_size, staged + index * pages.stride, work.page_size);
        return Result<void>();
    });
}

} // namespace gmemfs
