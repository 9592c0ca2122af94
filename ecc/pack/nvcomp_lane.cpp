#include "ecc/pack/nvcomp_lane.hpp"

#include "vmm/base/units.hpp"

#include <algorithm>
#include <array>
#include <cstring>
#include <string>

namespace gmemfs {
namespace {

constexpr std::uint64_t kAlignment = 256;

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

template <typename Pointer>
Pointer pointer(CUdeviceptr address) {
    return reinterpret_cast<Pointer>(address); // NOLINT(performance-no-int-to-ptr): the device's, never followed here
}

} // namespace

std::uint64_t NvcompLane::Memory::size() const {
    const std::uint64_t tables = slots * kRows * sizeof(std::uint64_t);
    return round_up(tables, kAlignment) + round_up(temp_size, kAlignment) + round_up(window_size, kAlignment);
}

Result<NvcompLane::Memory> NvcompLane::memory_for(
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

NvcompLane::NvcompLane(
    const Nvcomp &nvcomp, const PackKernels &kernels, CUstream stream, const Memory &memory, CUdeviceptr at)
    : nvcomp_(nvcomp), kernels_(kernels), stream_(stream), at_(at), slots_(memory.slots), temp_size_(memory.temp_size),
      rows_(kRows * memory.slots) {
    GMEMFS_ASSERT(at % kAlignment == 0);
    temp_ = round_up(at_ + kRows * slots_ * sizeof(std::uint64_t), kAlignment);
    window_ = memory.window_size == 0 ? 0 : temp_ + round_up(temp_size_, kAlignment);
    stride_ = memory.window_size / slots_;
}

Result<void> NvcompLane::wait() {
    return device().check(device().driver().cuStreamSynchronize(stream_), "wait for nvCOMP");
}

NvcompStatus NvcompLane::status(std::uint64_t slot) const {
    NvcompStatus status = 0; // the row has room for 8 bytes each, and has 4
    std::memcpy(
        &status, reinterpret_cast<const std::byte *>(&rows_[kStatus * slots_]) + slot * sizeof status, sizeof status);
    return status;
}

void NvcompLane::take(const Chunks &chunks, std::span<const ImageEntry> entries) {
    GMEMFS_ASSERT(entries.size() == chunks.count);
    GMEMFS_ASSERT(chunks.count <= slots_);
    chunks_ = chunks;
    entries_ = entries;
    std::array<std::uint64_t, kCodecs> at = {};
    for (const ImageEntry &entry : entries) ++at[static_cast<std::size_t>(entry.codec())];
    groups_.clear();
    std::uint64_t first = 0;
    for (unsigned number = 0; number < kCodecs; ++number) {
        const auto codec = static_cast<Codec>(number);
        const std::uint64_t count = is_foreign(codec) ? at[number] : 0;
        at[number] = first;
        if (count != 0) groups_.push_back({codec, first, count});
        first += count;
    }
    order_.resize(first);
    for (std::uint64_t index = 0; index < entries.size(); ++index)
        if (is_foreign(entries[index].codec())) order_[at[static_cast<std::size_t>(entries[index].codec())]++] = index;
}

// Brings the first rows to the device, and calls nvCOMP once a group.
template <typename Call>
Result<void> NvcompLane::queue(unsigned rows_in, const char *doing, const Call &call_codec) {
    TRY(device().check(
        device().driver().cuMemcpyHtoDAsync(at_, rows_.data(), rows_in * slots_ * sizeof(std::uint64_t), stream_),
        "write nvCOMP's tables"));
    for (const Group &group : groups_) TRY(nvcomp_.check(call_codec(group), doing));
    return {};
}

Result<void> NvcompLane::finish() {
    const Result<void> queued =
        device().check(device().driver().cuMemcpyDtoHAsync(&rows_[kOutputSize * slots_], row(kOutputSize),
                           (kRows - kOutputSize) * slots_ * sizeof(std::uint64_t), stream_),
            "read nvCOMP's tables");
    const Result<void> waited = wait(); // always: the rows are changed next
    return queued ? waited : queued;
}

Result<void> NvcompLane::compress() {
    for (std::uint64_t slot = 0; slot < order_.size(); ++slot) {
        value(kInput, slot) = chunks_.plain + order_[slot] * kChunk;
        value(kInputSize, slot) = kChunk;
        value(kOutput, slot) = window_ + order_[slot] * stride_;
    }
    return queue(kOutput + 1, "pack by nvCOMP", [&](const Group &group) {
        const std::uint64_t at = group.first * sizeof(std::uint64_t);
        return functions_of(nvcomp_, group.codec)
            .compress(pointer<const void *const *>(row(kInput) + at),
                pointer<const std::size_t *>(row(kInputSize) + at), kChunk, group.count, pointer<void *>(temp_),
                temp_size_, pointer<void *const *>(row(kOutput) + at), pointer<std::size_t *>(row(kOutputSize) + at),
                pack_options(group.codec), pointer<NvcompStatus *>(row(kStatus) + group.first * sizeof(NvcompStatus)),
                stream_);
    });
}

Result<void> NvcompLane::decompress(CUdeviceptr to, std::uint64_t stride) {
    for (std::uint64_t slot = 0; slot < order_.size(); ++slot) {
        value(kInput, slot) = chunks_.image + entry(slot).offset();
        value(kInputSize, slot) = entry(slot).length();
        value(kOutput, slot) = to + order_[slot] * stride;
        value(kCapacity, slot) = kChunk;
    }
    return queue(kCapacity + 1, "decode by nvCOMP", [&](const Group &group) {
        const std::uint64_t at = group.first * sizeof(std::uint64_t);
        return functions_of(nvcomp_, group.codec)
            .decompress(pointer<const void *const *>(row(kInput) + at),
                pointer<const std::size_t *>(row(kInputSize) + at), pointer<const std::size_t *>(row(kCapacity) + at),
                pointer<std::size_t *>(row(kOutputSize) + at), group.count, pointer<void *>(temp_), temp_size_,
                pointer<void *const *>(row(kOutput) + at), unpack_options(group.codec),
                pointer<NvcompStatus *>(row(kStatus) + group.first * sizeof(NvcompStatus)), stream_);
    });
}

Result<void> NvcompLane::check_decoded() const {
    for (std::uint64_t slot = 0; slot < order_.size(); ++slot)
        if (status(slot) != 0 || length(slot) != kChunk)
            return Error{EBADMSG, 0, "decode packed image",
                "chunk " + std::to_string(chunks_.first + order_[slot]) + ": " +
                    (status(slot) != 0 ? nvcomp_.check(status(slot), "").error().detail
                                       : "nvCOMP makes " + std::to_string(length(slot)) + " bytes of it")};
    return {};
}

Result<void> NvcompLane::place_and_compare(CUdeviceptr findings) {
    TRY(kernels_.gather(stream_, chunks_, window_, stride_));
    TRY(decompress(window_, stride_));
    return kernels_.compare_window(stream_, chunks_, window_, stride_, findings);
}

} // namespace gmemfs
