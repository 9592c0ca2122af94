// Packer, foreign: what nvCOMP and processors do for a Packer, and the memory for it.
#include "ecc/pack/packer.hpp"

#include "ecc/pack/processor_work.hpp"
#include "ecc/pack/work.hpp"
#include "vmm/base/units.hpp"

#include <algorithm>
#include <array>
#include <bit>
#include <optional>
#include <string>

namespace gmemfs {
namespace {

constexpr std::uint64_t kSlotsMin = 16; // less makes nvCOMP slow, and 3 MiB are always left, or nothing is

// An image that needs nvCOMP must be so much smaller than one that any server can decode.
constexpr std::uint64_t kWorthShare = 64;
constexpr std::size_t kProbes = 16; // chunks

std::uint64_t packed_size(std::span<const ImageEntry> entries) {
    std::uint64_t size = 0;
    for (const ImageEntry &entry : entries) size += entry.length();
    return size;
}

} // namespace

std::vector<Codec> foreign_codecs(std::span<const ImageEntry> entries) {
    std::vector<Codec> codecs;
    for (unsigned number = 0; number < kCodecs; ++number)
        if (const auto codec = static_cast<Codec>(number); is_foreign(codec))
            if (std::ranges::any_of(entries, [&](const ImageEntry &entry) { return entry.codec() == codec; }))
                codecs.push_back(codec);
    return codecs;
}

namespace {

std::vector<Codec> codecs_of(PackBy by) {
    if (by == PackBy::lz4) return {Codec::lz4};
    if (by == PackBy::zstd) return {Codec::zstd};
    return {Codec::ans_bytes, Codec::ans_fp8, Codec::ans_half, Codec::ans_single};
}

std::string version_text(std::uint32_t version) {
    return std::to_string(version / 1000) + "." + std::to_string(version % 1000 / 100) + "." +
           std::to_string(version % 100);
}

} // namespace

// ENOPKG: there is none. Whoever has installed it since needn't start a server for it.
Result<const Nvcomp *> Packer::nvcomp() {
    const Hold hold(nvcomp_mutex_);
    if (nvcomp_) return nvcomp_.get();
    if (places_ == nullptr) return Error{ENOPKG, 0, "open nvCOMP", "nobody has said where it is"};
    TRY(device().make_current());
    Result<std::unique_ptr<const Nvcomp>> opened = Nvcomp::open(device().driver(), places_());
    if (!opened) {
        Error error = opened.error();
        if (error.code == ENOTSUP) error.code = ENOPKG;
        return error;
    }
    nvcomp_ = *std::move(opened);
    return nvcomp_.get();
}

// For an image that this version has packed.
Result<const Nvcomp *> Packer::nvcomp_of(std::uint32_t version) {
    Result<const Nvcomp *> opened = nvcomp();
    if (!opened && opened.error().code != ENOPKG) return opened;
    const auto lacking = [&](const std::string &why) {
        return Error{ENOPKG, 0, "decode packed file", "nvCOMP " + version_text(version) + " has packed it, " + why};
    };
    if (!opened) return lacking("and can't be opened: " + opened.error().detail);
    const auto here = static_cast<std::uint32_t>((*opened)->version());
    if (here == version) return opened;
    return lacking("and " + (*opened)->library() + " is version " + version_text(here) +
                   ", which reads other streams: install that version again, then run `gmemfs restart`");
}

// For so many chunks, of these codecs.
Result<std::unique_ptr<ForeignWork>> Packer::make_encoder(
    Helper helper, CUstream stream, std::uint64_t count, std::span<const Codec> codecs) {
    if (helper == Helper::processors)
        return std::unique_ptr<ForeignWork>(std::make_unique<ProcessorWork>(device(), stream));
    const Nvcomp &nvcomp = *TRY(this->nvcomp());
    const std::uint64_t wanted = std::max(count, kSlotsMin);
    // No more than are wanted: each try after a refusal is for less memory.
    for (std::uint64_t slots = std::min(kEncodeSlots, std::bit_ceil(wanted));; slots /= 2) {
        const NvcompWork::Memory memory =
            TRY(NvcompWork::memory_for(nvcomp, wanted, slots, NvcompWork::Use::encode, codecs));
        if (memory.size() > kForeignMemoryMax && slots > kSlotsMin) continue;
        Result<PoolPiece> piece = pool_.take(memory.size());
        if (piece) {
            const CUdeviceptr at = piece->address();
            return std::unique_ptr<ForeignWork>(
                TRY(NvcompWork::create(nvcomp, *kernels_, stream, memory, at, *std::move(piece))));
        }
        if (piece.error().code != ENOSPC || slots == kSlotsMin) return Error(piece.error());
    }
}

Result<Packer::Decoder> Packer::decoder_for(
    std::uint32_t version, std::span<const ImageEntry> entries, std::uint64_t at_once) {
    const std::vector<Codec> codecs = foreign_codecs(entries);
    const bool needs_nvcomp = has_ans(entries);
    if (codecs.empty() || (!needs_nvcomp && entries.size() < kStreamsMin)) return Decoder();
    const Result<const Nvcomp *> opened = needs_nvcomp ? nvcomp_of(version) : nvcomp();
    if (!opened) return needs_nvcomp ? Result<Decoder>(Error(opened.error())) : Decoder();
    for (std::uint64_t slots = kDecodeSlots;; slots /= 2) {
        const Result<NvcompWork::Memory> memory =
            NvcompWork::memory_for(**opened, at_once, slots, NvcompWork::Use::decode, codecs);
        if (!memory) return Error(memory.error());
        if (memory->size() <= kForeignMemoryMax || slots <= kSlotsMin) return Decoder{*opened, *memory};
    }
}

// Where there is no room for nvCOMP's memory, processors decode what they can.
Result<Packer::LentWork> Packer::begin_decoding(
    Decoder &decoder, std::uint64_t entry_count, std::span<const ImageEntry> entries) {
    Result<LentWork> work = begin(entry_count, decoder.memory.size());
    if (work || work.error().code != ENOSPC || decoder.nvcomp == nullptr || has_ans(entries)) return work;
    decoder = {};
    return begin(entry_count, 0);
}

Result<std::unique_ptr<ForeignWork>> Packer::open_decoder(
    const Decoder &decoder, CUstream stream, CUdeviceptr at) const {
    if (decoder.nvcomp == nullptr)
        return std::unique_ptr<ForeignWork>(std::make_unique<ProcessorWork>(device(), stream));
    return std::unique_ptr<ForeignWork>(
        TRY(NvcompWork::create(*decoder.nvcomp, *kernels_, stream, decoder.memory, at, std::nullopt)));
}

// Nothing where the bytes are no .safetensors file.
Result<TensorTypes> Packer::tensor_types(PackWork &work, std::span<const Slice> plain, std::uint64_t size) {
    const auto read = [&](std::uint64_t offset, std::span<std::byte> to) -> Result<void> {
        const Result<void> queued =
            for_each_part(plain, offset, to.size(), [&](Slice part, std::uint64_t done) -> Result<void> {
                return work.download(to.subspan(done, part.length), TRY(address_of(part)));
            });
        const Result<void> waited = work.wait(); // always: what is read goes before the loan ends
        return queued ? waited : queued;
    };
    std::array<std::byte, TensorTypes::kPrefix> prefix;
    TRY(read(0, prefix));
    const std::optional<std::uint64_t> length = TensorTypes::header_length(prefix, size);
    if (!length) return TensorTypes();
    std::vector<std::byte> header(*length);
    TRY(read(TensorTypes::kPrefix, header));
    return TensorTypes(header, size);
}

// What our own codecs leave raw, zstd may make smaller than ANS does. Digits and letters look like bf16 to them: so it
// tries a few of those chunks as well, and all of them where it makes a quarter less of these. Not of all at once,
// because zstd takes a hundred times as long as ANS.
Result<void> Packer::plan_zstd(std::span<ImageEntry> entries, const PackPlan &own, const PackWork &work,
    std::span<const Slice> plain, const TensorTypes &types) {
    std::vector<std::uint64_t> raw, floats, probes;
    for (std::uint64_t chunk = 0; chunk < own.entries.size(); ++chunk) {
        const Codec codec = own.entries[chunk].codec();
        if (codec == Codec::raw) raw.push_back(chunk);
        const bool is_float = codec == Codec::bf16 || codec == Codec::fp32;
        if (is_float && types.is_empty()) floats.push_back(chunk);
    }
    if (raw.size() < own.entries.size() / kWorthShare) raw.clear(); // a header's chunk alone takes 13 ms
    for (std::size_t at = 0; at < floats.size(); at += floats.size() / kProbes + 1) probes.push_back(floats[at]);
    if (raw.empty() && probes.empty()) return {};
    const std::uint64_t count = std::max(probes.size(), std::max(raw.size(), floats.size()));
    const auto encoder = TRY(make_encoder(Helper::nvcomp, work.stream(), count, std::array{Codec::zstd}));
    // The chunks of `which`; of the others nothing changes.
    const auto try_on = [&](std::span<ImageEntry> of, std::span<const std::uint64_t> which) -> Result<void> {
        if (which.empty()) return {};
        std::vector<ImageEntry> tried(of.size()); // zeros, which nobody tries
        for (const std::uint64_t chunk : which) tried[chunk] = of[chunk];
        TRY(for_each_run(plain, {0, 0, 0, 0, tried.size()}, [&](const PackKernels::Chunks &chunks) {
            return encoder->plan(
                chunks, std::span(tried).subspan(chunks.first, chunks.count), PackBy::zstd, TensorTypes());
        }));
        for (const std::uint64_t chunk : which) of[chunk] = tried[chunk];
        return {};
    };
    std::vector<ImageEntry> probed(own.entries);
    TRY(try_on(probed, probes));
    std::uint64_t before = 0, after = 0;
    for (const std::uint64_t chunk : probes) {
        before += own.entries[chunk].length();
        after += probed[chunk].length();
    }
    if (after < before - before / 4) TRY(try_on(entries, floats));
    return try_on(entries, raw);
}

// Where it fails, the plan is as it was.
Result<void> Packer::plan_foreign(PackPlan &plan, PackWork &work, std::span<const Slice> plain, PackBy by) {
    const bool is_stream = by == PackBy::lz4 || by == PackBy::zstd;
    std::vector<ImageEntry> entries = plan.entries;
    TensorTypes types;
    const auto plan_by = [&](Helper helper) -> Result<void> {
        if (helper == Helper::nvcomp) TRY(nvcomp());
        if (!is_stream) types = TRY(tensor_types(work, plain, plan.plain_size));
        const auto encoder = TRY(make_encoder(helper, work.stream(), entries.size(), codecs_of(by)));
        return for_each_run(plain, {0, 0, 0, 0, entries.size()}, [&](const PackKernels::Chunks &chunks) {
            return encoder->plan(chunks, std::span(entries).subspan(chunks.first, chunks.count), by, types);
        });
    };
    Helper helper = Helper::nvcomp;
    Result<void> planned = plan_by(helper);
    if (planned && by == PackBy::automatic) planned = plan_zstd(entries, plan, work, plain, types);
    if (!planned && is_stream) { // nvCOMP or its memory is missing
        helper = Helper::processors;
        entries = plan.entries;
        planned = plan_by(helper);
    }
    // Our own codecs do, where nobody has asked for another one.
    if (!planned) return by == PackBy::automatic ? Result<void>() : Error(planned.error());
    const std::uint64_t own_size = packed_size(plan.entries), size = packed_size(entries);
    if (!has_foreign(entries) || (by == PackBy::automatic && size + own_size / kWorthShare > own_size)) return {};
    if (has_ans(entries)) plan.nvcomp = static_cast<std::uint32_t>(TRY(nvcomp())->version());
    plan.entries = std::move(entries);
    plan.helper = helper;
    return {};
}

Result<void> Packer::decode_chunk(
    const ImageTable &table, std::span<const Slice> image, std::uint64_t chunk, std::span<kernels::Quad> plain) {
    GMEMFS_ASSERT(plain.size_bytes() >= kChunk);
    const ImageEntry &entry = table.entries[chunk];
    const ImageEntry moved = {0, entry.packed, entry.checksum, 0};
    const std::uint64_t packed_size = round_up(std::max<std::uint64_t>(entry.length(), 1), 256);
    const Nvcomp &nvcomp = *TRY(nvcomp_of(table.nvcomp));
    const NvcompWork::Memory memory =
        TRY(NvcompWork::memory_for(nvcomp, 1, 1, NvcompWork::Use::decode, std::array{entry.codec()}));
    const LentWork work = TRY(begin(1, packed_size + kChunk + memory.size()));
    const CUdeviceptr packed = work->end_of(1), target = packed + packed_size;
    TRY(work->upload(work->entries(), std::as_bytes(std::span(&moved, 1))));
    TRY(work->clear_findings());
    TRY(for_each_part(image, entry.offset(), entry.length(), [&](Slice part, std::uint64_t at) -> Result<void> {
        return device().check(
            device().driver().cuMemcpyDtoDAsync(packed + at, TRY(address_of(part)), part.length, work->stream()),
            "copy packed chunk");
    }));
    const PackKernels::Chunks one = {target, packed, work->entries(), chunk, 1};
    TRY(kernels_->check(work->stream(), one, work->findings()));
    TRY(verdict_of(TRY(work->wait_for_findings())));
    const auto foreign =
        TRY(NvcompWork::create(nvcomp, *kernels_, work->stream(), memory, target + kChunk, std::nullopt));
    TRY(foreign->decode(one, std::span(&moved, 1)));
    TRY(kernels_->decode(work->stream(), one, work->findings()));
    TRY(work->download(std::as_writable_bytes(plain).first(kChunk), target));
    return verdict_of(TRY(work->wait_for_findings()));
}

Result<void> Packer::prepare(std::uint32_t version) {
    (void)TRY(begin(0, 0)); // what it has is kept
    TRY(nvcomp_of(version));
    return {};
}

} // namespace gmemfs
