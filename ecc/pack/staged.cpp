// Packer, staged: images in host memory or in several pieces, by two windows on the device.
//
//     lane 0   | kernels | bus            | kernels | bus            |
//     lane 1             | kernels | bus            | kernels | bus  |
//
// Kernels take a tenth of the bus's time, so the bus is never idle but at the ends.
#include "ecc/pack/packer.hpp"

#include "ecc/pack/work.hpp"
#include "vmm/base/units.hpp"

#include <algorithm>
#include <array>
#include <deque>
#include <utility>

namespace gmemfs {
namespace {

constexpr std::uint64_t kLaneSize = 16 * MiB; // bytes of device memory; the chunks that 300 us of the bus carry
constexpr std::uint64_t kLaneChunks = 2048;   // of zeros, 256 MiB
constexpr std::uint64_t kTableSize = kLaneChunks * sizeof(ImageEntry);
constexpr std::size_t kLanes = 2;
// With nvCOMP, which is slow with few chunks: 128 MiB, where the device has room for them and for its windows. Else it
// packs 64 chunks at once, a half of what a lane has.
constexpr std::uint64_t kLargeLaneSize = 128 * MiB;
constexpr std::uint64_t kFewSlots = 64;

// Chunks that lie one behind the other in an image, and as bytes of it.
struct Batch {
    std::uint64_t first, count; // chunks
    std::uint64_t start, end;   // bytes of the image: up to the next chunk's place
};

std::uint64_t end_of(const ImageEntry &entry) { return round_up(entry.offset() + entry.length(), kPlaceUnit); }

// The chunks from `first` on that a window of so many bytes has room for; at least one.
Batch next_batch(std::span<const ImageEntry> entries, std::uint64_t first, std::uint64_t last, std::uint64_t window) {
    Batch batch = {first, 0, entries[first].offset(), entries[first].offset()};
    for (std::uint64_t index = first; index < last && batch.count < kLaneChunks; ++index) {
        const std::uint64_t end = end_of(entries[index]);
        if (end - batch.start > window) break;
        batch.end = end;
        ++batch.count;
    }
    GMEMFS_ASSERT(batch.count > 0);
    return batch;
}

std::vector<Slice> chunks_of(std::span<const Slice> plain, std::uint64_t first, std::uint64_t count) {
    std::vector<Slice> part;
    (void)for_each_part(plain, first * kChunk, count * kChunk, [&](Slice slice, std::uint64_t) -> Result<void> {
        part.push_back(slice);
        return {};
    });
    return part;
}

} // namespace

/// A window on the device, with the entries of what is in it, and a stream. Not thread-safe. The destructor waits.
class Packer::Lane {
public:
    Lane(Device &device, PoolPiece memory, Stream stream)
        : device_(device), memory_(std::move(memory)), stream_(std::move(stream)) {}
    Lane(const Lane &) = delete;
    Lane &operator=(const Lane &) = delete;
    ~Lane() { (void)wait(); }

    CUstream stream() const { return stream_.get(); }
    CUdeviceptr entries() const { return memory_.address(); }
    std::span<const ImageEntry> table() const { return table_; } ///< the same, on the host
    PackKernels::Chunks chunks(const Batch &batch) const { return {0, window(), entries(), batch.first, batch.count}; }
    CUdeviceptr window() const { return memory_.address() + kTableSize; }
    std::uint64_t window_size() const { return memory_.size() - kTableSize; }

    /// Waits until the lane is free, and brings the batch's entries.
    Result<void> begin(std::span<const ImageEntry> all, const Batch &batch) {
        TRY(wait());
        table_ = entries_from(all.subspan(batch.first, batch.count), batch.start);
        const std::span<const std::byte> bytes = std::as_bytes(std::span(table_));
        return device_.check(
            device_.driver().cuMemcpyHtoDAsync(entries(), bytes.data(), bytes.size(), stream()), "write packed table");
    }
    Result<void> copy(CUdeviceptr from, CUdeviceptr to, std::uint64_t length) {
        return device_.check(device_.driver().cuMemcpyDtoDAsync(to, from, length, stream()), "copy packed chunks");
    }
    Result<void> wait() {
        return device_.check(device_.driver().cuStreamSynchronize(stream()), "wait for packed chunks");
    }

private:
    Device &device_;
    PoolPiece memory_;
    Stream stream_;
    std::vector<ImageEntry> table_; // as long as the stream reads it
};

Result<std::unique_ptr<Packer::Lane>> Packer::make_lane(std::uint64_t window_size) {
    PoolPiece memory = TRY(pool_.take(kTableSize + window_size));
    return std::make_unique<Lane>(device(), std::move(memory), TRY(Stream::create(device())));
}

Result<void> Packer::encode_staged(const PackPlan &plan, std::span<const Slice> plain, std::span<const Slice> image) {
    const std::uint64_t total = plan.entries.size();
    std::vector<ImageEntry> made(total); // places count from each window's start: the plan's are the image's
    const LentWork work = TRY(begin(total, 0));
    TRY(work->clear_findings());
    TRY(work->wait());
    std::array<std::unique_ptr<Lane>, kLanes> lanes;
    std::array<std::unique_ptr<ForeignWork>, kLanes> foreign; // go before their streams
    const auto make_lanes = [&](std::uint64_t size, std::uint64_t slots) -> Result<void> {
        foreign = {};
        lanes = {};
        for (std::size_t index = 0; index < kLanes; ++index) {
            lanes[index] = TRY(make_lane(size - kTableSize));
            if (plan.helper == Helper::none) continue;
            foreign[index] = TRY(make_encoder(
                plan.helper, lanes[index]->stream(), std::min(slots, total), foreign_codecs(plan.entries)));
        }
        return {};
    };
    const bool is_large = plan.helper == Helper::nvcomp && total > kFewSlots;
    const Result<void> made_large = is_large ? make_lanes(kLargeLaneSize, kLaneChunks) : Error{ENOSPC};
    if (!made_large && made_large.error().code != ENOSPC) return made_large;
    if (!made_large) TRY(make_lanes(kLaneSize, kFewSlots));
    std::size_t turn = 0;
    for (std::uint64_t done = 0; done < total; ++turn) {
        Lane &lane = *lanes[turn % kLanes];
        const Batch batch = next_batch(plan.entries, done, total, lane.window_size());
        const std::vector<Slice> from = chunks_of(plain, batch.first, batch.count);
        TRY(lane.begin(plan.entries, batch));
        const PackKernels::Chunks chunks = lane.chunks(batch);
        TRY(for_each_run(from, chunks, [&](const auto &run) { return kernels_->encode(lane.stream(), run); }));
        if (ForeignWork *const its = foreign[turn % kLanes].get())
            TRY(for_each_run(from, chunks, [&](const auto &run) {
                return its->encode(run, lane.table().subspan(run.first - batch.first, run.count), work->findings());
            }));
        TRY(kernels_->checksum(lane.stream(), chunks));
        TRY(for_each_run(
            from, chunks, [&](const auto &run) { return kernels_->compare(lane.stream(), run, work->findings()); }));
        const std::uint64_t entry = sizeof(ImageEntry);
        TRY(lane.copy(lane.entries(), work->entries() + batch.first * entry, batch.count * entry));
        TRY(for_each_part(
            image, batch.start, batch.end - batch.start, [&](Slice part, std::uint64_t at) -> Result<void> {
                return lane.copy(lane.window() + at, TRY(address_of(part)), part.length);
            }));
        done += batch.count;
    }
    for (auto &lane : lanes) TRY(lane->wait());
    TRY(work->download(std::as_writable_bytes(std::span(made)), work->entries()));
    TRY(verdict_of_comparison(TRY(work->wait_for_findings())));
    std::vector<ImageEntry> entries = plan.entries;
    for (std::uint64_t index = 0; index < total; ++index) entries[index].checksum = made[index].checksum;
    return finish(*work, plan, entries, image);
}

// A lane's packed chunks come while the other's are decoded. nvCOMP believes what it decodes, so what the lane's
// kernels have found is waited for before.
Result<void> Packer::decode_staged(const ImageTable &table, std::span<const Slice> image, std::uint64_t first,
    std::uint64_t count, std::span<const Slice> plain) {
    const std::uint64_t last = first + count;
    const std::uint64_t bytes = end_of(table.entries[last - 1]) - table.entries[first].offset();
    const std::span<const ImageEntry> entries = std::span(table.entries).subspan(first, count);
    Decoder decoder = TRY(decoder_for(table.nvcomp, entries, std::min(count, kLaneChunks)));
    const LentWork work = TRY(begin_decoding(decoder, 0, entries));
    TRY(work->clear_findings());
    TRY(work->wait());
    std::vector<std::unique_ptr<Lane>> lanes;
    const bool is_small = bytes <= kLaneSize / 2;
    for (std::size_t index = 0; index < (is_small ? 1 : kLanes); ++index)
        lanes.push_back(TRY(make_lane(is_small ? std::max<std::uint64_t>(bytes, kPlaceUnit) : kLaneSize - kTableSize)));
    const auto bring = [&](Lane &lane, const Batch &batch) -> Result<void> {
        TRY(lane.begin(table.entries, batch));
        TRY(for_each_part(
            image, batch.start, batch.end - batch.start, [&](Slice part, std::uint64_t at) -> Result<void> {
                return lane.copy(TRY(address_of(part)), lane.window() + at, part.length);
            }));
        return kernels_->check(lane.stream(), lane.chunks(batch), work->findings());
    };
    const auto unpack = [&](Lane &lane, const Batch &batch) -> Result<void> {
        const std::vector<Slice> to = chunks_of(plain, batch.first - first, batch.count);
        if (has_foreign(lane.table())) {
            TRY(lane.wait());
            TRY(verdict_of(TRY(work->wait_for_findings())));
            const auto foreign = TRY(open_decoder(decoder, lane.stream(), work->end_of(0))); // each waits for its own
            TRY(for_each_run(to, lane.chunks(batch), [&](const auto &run) {
                return foreign->decode(run, lane.table().subspan(run.first - batch.first, run.count));
            }));
        }
        return for_each_run(to, lane.chunks(batch),
            [&](const auto &run) { return kernels_->decode(lane.stream(), run, work->findings()); });
    };
    std::deque<std::pair<Lane *, Batch>> brought;
    const auto unpack_first = [&]() -> Result<void> {
        const auto [lane, batch] = brought.front();
        brought.pop_front();
        return unpack(*lane, batch);
    };
    std::size_t turn = 0;
    for (std::uint64_t done = first; done < last; ++turn) {
        Lane &lane = *lanes[turn % lanes.size()];
        const Batch batch = next_batch(table.entries, done, last, lane.window_size());
        TRY(bring(lane, batch));
        brought.emplace_back(&lane, batch);
        if (brought.size() == lanes.size()) TRY(unpack_first());
        done += batch.count;
    }
    while (!brought.empty()) TRY(unpack_first());
    for (auto &lane : lanes) TRY(lane->wait());
    return verdict_of(TRY(work->wait_for_findings()));
}

} // namespace gmemfs
