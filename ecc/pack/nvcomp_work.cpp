#include "ecc/pack/nvcomp_work.hpp"

#include <algorithm>
#include <array>
#include <string>

namespace gmemfs {
namespace {

// What of nvCOMP's may do better than our own codec, in the order in which it is tried.
struct Candidates {
    std::array<Codec, 3> codecs;
    std::size_t count;
};

// `told`: what the file says.
Candidates candidates(Codec own, PackBy by, std::optional<Codec> told) {
    if (own == Codec::zero || own == Codec::fill) return {{}, 0};
    if (by == PackBy::lz4) return {{Codec::lz4}, 1};
    if (by == PackBy::zstd) return {{Codec::zstd}, 1};
    if (told) return {{*told}, 1};
    if (own == Codec::bf16) return {{Codec::ans_half}, 1};
    if (own == Codec::fp32) return {{Codec::ans_single}, 1};
    return {{Codec::ans_bytes, Codec::ans_half, Codec::ans_fp8}, 3};
}

Error about_chunk(const char *doing, std::uint64_t chunk, const std::string &detail) {
    return {EIO, 0, doing, "chunk " + std::to_string(chunk) + ": " + detail};
}

Result<void> nothing(NvcompLane &) { return {}; }

} // namespace

Result<NvcompWork::Memory> NvcompWork::memory_for(
    const Nvcomp &nvcomp, std::uint64_t count, std::uint64_t slots, Use use, std::span<const Codec> codecs) {
    const std::uint64_t lanes = count > slots ? 2 : 1;
    return Memory {
        TRY(NvcompLane::memory_for(nvcomp, std::min(count, slots), use, codecs))
        , lanes
    };
}

Result<std::unique_ptr<NvcompWork>> NvcompWork::create(const Nvcomp &nvcomp, const PackKernels &kernels,
    CUstream stream, const Memory &memory, CUdeviceptr at, std::optional<PoolPiece> own) {
    std::optional<Stream> second;
    if (memory.lanes == 2) second.emplace(TRY(Stream::create(kernels.device())));
    std::unique_ptr<NvcompWork> work(new NvcompWork(nvcomp, memory.lane.slots, std::move(own), std::move(second)));
    work->lanes_.reserve(memory.lanes);
    work->lanes_.emplace_back(nvcomp, kernels, stream, memory.lane, at);
    if (memory.lanes == 2)
        work->lanes_.emplace_back(nvcomp, kernels, work->second_->get(), memory.lane, at + memory.lane.size());
    return work;
}

// For each part: begin(lane), then go_on(lane), which may wait for what the first has queued, then end(lane). Between
// these, the other lane's part is begun or ended.
template <typename Begin, typename Go, typename End>
Result<void> NvcompWork::each_part(
    const Chunks &chunks, std::span<const ImageEntry> entries, const Begin &begin, const Go &go_on, const End &end) {
    GMEMFS_ASSERT(entries.size() == chunks.count);
    if (lanes_.size() == 2) TRY(lanes_.front().wait()); // what the caller has queued is also for the second stream
    NvcompLane *begun = nullptr;                        // its part hasn't gone on yet
    const auto finish_begun = [&]() -> Result<void> {
        if (begun == nullptr) return {};
        return go_on(*std::exchange(begun, nullptr));
    };
    const auto end_of = [&](NvcompLane &lane) -> Result<void> {
        if (lane.is_empty()) return {};
        TRY(end(lane));
        lane.clear();
        return {};
    };
    for (NvcompLane &lane : lanes_) lane.clear();
    std::size_t turn = 0;
    for (std::uint64_t done = 0; done < chunks.count;) {
        const std::uint64_t count = std::min(slots_, chunks.count - done);
        NvcompLane &lane = lanes_[turn % lanes_.size()];
        if (begun == &lane) TRY(finish_begun());
        TRY(end_of(lane));
        lane.take({chunks.plain == 0 ? 0 : chunks.plain + done * kChunk, chunks.image,
                      chunks.entries + done * sizeof(ImageEntry), chunks.first + done, count},
            entries.subspan(done, count));
        done += count;
        if (lane.is_empty()) continue;
        TRY(begin(lane));
        TRY(finish_begun());
        begun = &lane;
        ++turn;
    }
    TRY(finish_begun());
    for (NvcompLane &lane : lanes_) TRY(end_of(lane));
    return {};
}

Result<void> NvcompWork::plan(
    const Chunks &chunks, std::span<ImageEntry> entries, PackBy by, const TensorTypes &types) {
    GMEMFS_ASSERT(by != PackBy::own);
    std::vector<Candidates> all;
    all.reserve(entries.size());
    for (std::size_t index = 0; index < entries.size(); ++index)
        all.push_back(
            candidates(entries[index].codec(), by, types.codec_at((chunks.first + index) * kChunk + kChunk / 2)));
    std::vector<ImageEntry> tried(entries.size());
    for (std::size_t round = 0;; ++round) {
        bool is_any = false;
        for (std::size_t index = 0; index < entries.size(); ++index) {
            const bool is_tried = round < all[index].count;
            tried[index] = {0, ImageEntry::pack(is_tried ? all[index].codecs[round] : Codec::zero, 0), 0, 0};
            is_any |= is_tried;
        }
        if (!is_any) return {};
        const auto look = [&](NvcompLane &lane) -> Result<void> {
            TRY(lane.finish());
            for (std::uint64_t slot = 0; slot < lane.count(); ++slot) {
                const std::uint64_t length = lane.length(slot);
                const std::uint64_t index = lane.chunks().first - chunks.first + lane.index(slot);
                ImageEntry &entry = entries[index];
                const bool is_smaller = length < entry.length() || (by == PackBy::ans && !is_ans(entry.codec()));
                if (lane.status(slot) == 0 && length >= 1 && length <= kPackedMax && is_smaller)
                    entry.packed = ImageEntry::pack(tried[index].codec(), static_cast<std::uint32_t>(length));
            }
            return {};
        };
        TRY(each_part(
            chunks, tried, [](NvcompLane &lane) { return lane.compress(); }, look, nothing));
    }
}

Result<void> NvcompWork::encode(const Chunks &chunks, std::span<const ImageEntry> entries, CUdeviceptr findings) {
    const auto place = [&](NvcompLane &lane) -> Result<void> {
        TRY(lane.finish());
        for (std::uint64_t slot = 0; slot < lane.count(); ++slot) {
            const std::uint64_t chunk = lane.chunks().first + lane.index(slot);
            if (lane.status(slot) != 0)
                return about_chunk("pack by nvCOMP", chunk, nvcomp_.check(lane.status(slot), "").error().detail);
            if (lane.length(slot) != lane.entry(slot).length())
                return about_chunk("pack by nvCOMP", chunk,
                    "it has made another stream of it than a moment ago: pack with --codec=own");
        }
        return lane.place_and_compare(findings);
    };
    const auto check = [](NvcompLane &lane) -> Result<void> {
        TRY(lane.finish());
        const Result<void> decoded = lane.check_decoded();
        if (decoded) return {};
        Error error = decoded.error();
        error.code = EIO;
        return error;
    };
    return each_part(
        chunks, entries, [](NvcompLane &lane) { return lane.compress(); }, place, check);
}

Result<void> NvcompWork::decode(const Chunks &chunks, std::span<const ImageEntry> entries) {
    const auto begin = [](NvcompLane &lane) { return lane.decompress(lane.chunks().plain, kChunk); };
    return each_part(chunks, entries, begin, nothing, [](NvcompLane &lane) -> Result<void> {
        TRY(lane.finish());
        return lane.check_decoded();
    });
}

} // namespace gmemfs
