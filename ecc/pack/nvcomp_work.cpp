#include "ecc/pack/nvcomp_work.hpp"

#include "vmm/base/units.hpp"

#include <algorithm>
#include <array>
#include <cstring>
#include <string>

namespace gmemfs {
namespace {

constexpr std::uint64_t kAlignment = 256;
constexpr Codec kCodecsInTurn[] = {
    Codec::ans_bytes, Codec::ans_fp8, Codec::ans_half, Codec::ans_single, Codec::lz4, Codec::zstd};

NvcompType type_of(Codec codec) {
    if (codec == Codec::ans_half) return NvcompType::half;
    if (codec == Codec::ans_single) return NvcompType::single;
    return codec == Codec::ans_fp8 ? NvcompType::fp8 : NvcompType::bytes; // LZ4's and zstd's default, too
}
const NvcompCodec &functions_of(const Nvcomp &nvcomp, Codec codec) {
    if (is_ans(codec)) return nvcomp.ans();
    return codec == Codec::lz4 ? nvcomp.lz4() : nvcomp.zstd();
}
NvcompOptions pack_options(Codec codec) { return {{0, static_cast<int>(type_of(codec))}}; }
NvcompOptions unpack_options(Codec codec) { return {{kNvcompBackendCuda, static_cast<int>(type_of(codec))}}; }

// What of nvCOMP's may do better than our own codec, in the order in which it is tried. `told`: what the file says.
std::vector<Codec> candidates(Codec own, PackBy by, std::optional<Codec> told) {
    if (own == Codec::zero || own == Codec::fill) return {};
    if (by == PackBy::lz4) return {Codec::lz4};
    if (by == PackBy::zstd) return {Codec::zstd};
    if (told) return {*told};
    if (own == Codec::bf16) return {Codec::ans_half};
    if (own == Codec::fp32) return {Codec::ans_single};
    return {Codec::ans_bytes, Codec::ans_half, Codec::ans_fp8};
}

Error about_chunk(int code, const char *doing, std::uint64_t chunk, const std::string &detail) {
    return {code, 0, doing, "chunk " + std::to_string(chunk) + ": " + detail};
}

template <typename Pointer>
Pointer pointer(CUdeviceptr address) {
    return reinterpret_cast<Pointer>(address); // NOLINT(performance-no-int-to-ptr): the device's, never followed here
}

} // namespace

std::uint64_t NvcompWork::Memory::size() const {
    const std::uint64_t tables = slots * (kRows * sizeof(std::uint64_t) + sizeof(ImageEntry));
    return round_up(tables, kAlignment) + round_up(temp_size, kAlignment) + window_size;
}

Result<NvcompWork::Memory> NvcompWork::memory_for(
    const Nvcomp &nvcomp, std::uint64_t slots, Use use, std::span<const Codec> codecs) {
    Memory memory = {slots, 0, 0};
    std::uint64_t slot_size = kChunk; // of the window: for the longest stream that may be made of a chunk
    for (const Codec codec : codecs) {
        const NvcompCodec &functions = functions_of(nvcomp, codec);
        std::size_t size = 0;
        TRY(nvcomp.check(
            functions.decompress_temp_size(slots, kChunk, unpack_options(codec), &size, slots * kChunk, nullptr),
            "size nvCOMP's memory"));
        memory.temp_size = std::max<std::uint64_t>(memory.temp_size, size);
        if (use == Use::decode) continue;
        TRY(nvcomp.check(
            functions.compress_temp_size(slots, kChunk, pack_options(codec), &size, slots * kChunk, nullptr),
            "size nvCOMP's memory"));
        memory.temp_size = std::max<std::uint64_t>(memory.temp_size, size);
        TRY(nvcomp.check(functions.compress_bound(kChunk, pack_options(codec), &size), "size packed chunks"));
        slot_size = std::max<std::uint64_t>(slot_size, size);
    }
    if (use == Use::encode) memory.window_size = slots * round_up(slot_size, kAlignment);
    return memory;
}

NvcompWork::NvcompWork(const Nvcomp &nvcomp, const PackKernels &kernels, CUstream stream, const Memory &memory,
    CUdeviceptr at, std::optional<PoolPiece> own)
    : own_(std::move(own)), nvcomp_(nvcomp), kernels_(kernels), stream_(stream), at_(at), slots_(memory.slots),
      temp_size_(memory.temp_size), rows_(kRows * memory.slots) {
    GMEMFS_ASSERT(at % kAlignment == 0);
    entries_ = at_ + kRows * slots_ * sizeof(std::uint64_t);
    temp_ = round_up(entries_ + slots_ * sizeof(ImageEntry), kAlignment);
    window_ = memory.window_size == 0 ? 0 : temp_ + round_up(temp_size_, kAlignment);
    stride_ = memory.window_size / slots_;
}

Result<void> NvcompWork::wait() {
    return device().check(device().driver().cuStreamSynchronize(stream_), "wait for nvCOMP");
}

NvcompStatus NvcompWork::status(std::uint64_t slot) const {
    NvcompStatus status = 0; // the row has room for 8 bytes each, and has 4
    std::memcpy(
        &status, reinterpret_cast<const std::byte *>(&rows_[kStatus * slots_]) + slot * sizeof status, sizeof status);
    return status;
}

template <typename Visit>
Result<void> NvcompWork::each_part(const Chunks &chunks, std::span<const ImageEntry> entries, const Visit &visit) {
    GMEMFS_ASSERT(entries.size() == chunks.count);
    for (std::uint64_t done = 0; done < chunks.count;) {
        const std::uint64_t count = std::min(slots_, chunks.count - done);
        const std::span<const ImageEntry> these = entries.subspan(done, count);
        if (std::ranges::any_of(these, [](const ImageEntry &entry) { return is_foreign(entry.codec()); })) {
            sort(these);
            TRY(visit(Part{{chunks.plain == 0 ? 0 : chunks.plain + done * kChunk, chunks.image,
                               chunks.entries + done * sizeof(ImageEntry), chunks.first + done, count},
                these}));
        }
        done += count;
    }
    return {};
}

void NvcompWork::sort(std::span<const ImageEntry> entries) {
    order_.clear();
    groups_.clear();
    for (const Codec codec : kCodecsInTurn) {
        const std::uint64_t first = order_.size();
        for (std::uint64_t index = 0; index < entries.size(); ++index)
            if (entries[index].codec() == codec) order_.push_back(index);
        if (order_.size() != first) groups_.push_back({codec, first, order_.size() - first});
    }
}

// Brings the first rows to the device, calls nvCOMP once a group, and brings back what it tells of each chunk.
template <typename Call>
Result<void> NvcompWork::call(unsigned rows_in, const char *doing, const Call &call_codec) {
    const Driver &driver = device().driver();
    const auto queue = [&]() -> Result<void> {
        TRY(device().check(
            driver.cuMemcpyHtoDAsync(at_, rows_.data(), rows_in * slots_ * sizeof(std::uint64_t), stream_),
            "write nvCOMP's tables"));
        for (const Group &group : groups_) TRY(nvcomp_.check(call_codec(group), doing));
        return device().check(driver.cuMemcpyDtoHAsync(&rows_[kOutputSize * slots_], row(kOutputSize),
                                  (kRows - kOutputSize) * slots_ * sizeof(std::uint64_t), stream_),
            "read nvCOMP's tables");
    };
    const Result<void> queued = queue();
    const Result<void> waited = wait(); // always: the rows are changed next
    return queued ? waited : queued;
}

Result<void> NvcompWork::compress(const Part &part) {
    for (std::uint64_t slot = 0; slot < order_.size(); ++slot) {
        value(kInput, slot) = part.chunks.plain + order_[slot] * kChunk;
        value(kInputSize, slot) = kChunk;
        value(kOutput, slot) = window_ + order_[slot] * stride_;
    }
    return call(kOutput + 1, "pack by nvCOMP", [&](const Group &group) {
        const std::uint64_t at = group.first * sizeof(std::uint64_t);
        return functions_of(nvcomp_, group.codec)
            .compress(pointer<const void *const *>(row(kInput) + at),
                pointer<const std::size_t *>(row(kInputSize) + at), kChunk, group.count, pointer<void *>(temp_),
                temp_size_, pointer<void *const *>(row(kOutput) + at), pointer<std::size_t *>(row(kOutputSize) + at),
                pack_options(group.codec), pointer<NvcompStatus *>(row(kStatus) + group.first * sizeof(NvcompStatus)),
                stream_);
    });
}

Result<void> NvcompWork::decompress(const Part &part, CUdeviceptr to, std::uint64_t stride) {
    for (std::uint64_t slot = 0; slot < order_.size(); ++slot) {
        const ImageEntry &entry = part.entries[order_[slot]];
        value(kInput, slot) = part.chunks.image + entry.offset();
        value(kInputSize, slot) = entry.length();
        value(kOutput, slot) = to + order_[slot] * stride;
        value(kCapacity, slot) = kChunk;
    }
    TRY(call(kCapacity + 1, "decode by nvCOMP", [&](const Group &group) {
        const std::uint64_t at = group.first * sizeof(std::uint64_t);
        return functions_of(nvcomp_, group.codec)
            .decompress(pointer<const void *const *>(row(kInput) + at),
                pointer<const std::size_t *>(row(kInputSize) + at), pointer<const std::size_t *>(row(kCapacity) + at),
                pointer<std::size_t *>(row(kOutputSize) + at), group.count, pointer<void *>(temp_), temp_size_,
                pointer<void *const *>(row(kOutput) + at), unpack_options(group.codec),
                pointer<NvcompStatus *>(row(kStatus) + group.first * sizeof(NvcompStatus)), stream_);
    }));
    for (std::uint64_t slot = 0; slot < order_.size(); ++slot)
        if (status(slot) != 0 || value(kOutputSize, slot) != kChunk)
            return about_chunk(EBADMSG, "decode packed image", part.chunks.first + order_[slot],
                status(slot) != 0 ? nvcomp_.check(status(slot), "").error().detail
                                  : "nvCOMP makes " + std::to_string(value(kOutputSize, slot)) + " bytes of it");
    return {};
}

// The window as a plain image of those chunks: the kernel passes over the others. The entries on the host stay till the
// next part has waited.
Result<void> NvcompWork::compare(const Part &part, CUdeviceptr findings) {
    moved_.assign(part.entries.size(), {0, ImageEntry::pack(Codec::ans_bytes, 0), 0, 0});
    for (const std::uint64_t index : order_)
        moved_[index] = {
            static_cast<std::uint32_t>(index * (stride_ / kPlaceUnit)), ImageEntry::pack(Codec::raw, kChunk), 0, 0};
    TRY(device().check(
        device().driver().cuMemcpyHtoDAsync(entries_, moved_.data(), moved_.size() * sizeof(ImageEntry), stream_),
        "write packed table"));
    return kernels_.compare(
        stream_, {part.chunks.plain, window_, entries_, part.chunks.first, part.chunks.count}, findings);
}

Result<void> NvcompWork::plan(
    const Chunks &chunks, std::span<ImageEntry> entries, PackBy by, const TensorTypes &types) {
    GMEMFS_ASSERT(by != PackBy::own);
    std::vector<std::vector<Codec>> codecs;
    for (std::size_t index = 0; index < entries.size(); ++index)
        codecs.push_back(
            candidates(entries[index].codec(), by, types.codec_at((chunks.first + index) * kChunk + kChunk / 2)));
    std::vector<ImageEntry> tried(entries.size());
    for (std::size_t round = 0;; ++round) {
        bool is_any = false;
        for (std::size_t index = 0; index < entries.size(); ++index) {
            const bool is_tried = round < codecs[index].size();
            tried[index] = {0, ImageEntry::pack(is_tried ? codecs[index][round] : Codec::zero, 0), 0, 0};
            is_any |= is_tried;
        }
        if (!is_any) return {};
        TRY(each_part(chunks, tried, [&](const Part &part) -> Result<void> {
            TRY(compress(part));
            for (std::uint64_t slot = 0; slot < order_.size(); ++slot) {
                const std::uint64_t length = value(kOutputSize, slot);
                const std::uint64_t index = part.chunks.first - chunks.first + order_[slot];
                ImageEntry &entry = entries[index];
                const bool is_smaller = length < entry.length() || (by == PackBy::ans && !is_ans(entry.codec()));
                if (status(slot) == 0 && length >= 1 && length <= kPackedMax && is_smaller)
                    entry.packed = ImageEntry::pack(tried[index].codec(), static_cast<std::uint32_t>(length));
            }
            return {};
        }));
    }
}

Result<void> NvcompWork::encode(const Chunks &chunks, std::span<const ImageEntry> entries, CUdeviceptr findings) {
    return each_part(chunks, entries, [&](const Part &part) -> Result<void> {
        TRY(compress(part));
        for (std::uint64_t slot = 0; slot < order_.size(); ++slot) {
            const std::uint64_t chunk = part.chunks.first + order_[slot];
            if (status(slot) != 0)
                return about_chunk(EIO, "pack by nvCOMP", chunk, nvcomp_.check(status(slot), "").error().detail);
            if (value(kOutputSize, slot) != part.entries[order_[slot]].length())
                return about_chunk(EIO, "pack by nvCOMP", chunk,
                    "it has made another stream of it than a moment ago: pack with --codec=own");
        }
        TRY(kernels_.gather(stream_, part.chunks, window_, stride_));
        const Result<void> decoded = decompress(part, window_, stride_);
        if (decoded) return compare(part, findings);
        Error error = decoded.error();
        error.code = EIO;
        return error;
    });
}

Result<void> NvcompWork::decode(const Chunks &chunks, std::span<const ImageEntry> entries) {
    return each_part(chunks, entries, [&](const Part &part) { return decompress(part, part.chunks.plain, kChunk); });
}

} // namespace gmemfs
