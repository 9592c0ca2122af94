// Packer, ANS: nvCOMP's part in what a Packer does, and its memory.
#include "ecc/pack/packer.hpp"

#include "ecc/pack/work.hpp"
#include "vmm/base/units.hpp"

#include <algorithm>
#include <array>
#include <optional>
#include <string>

namespace gmemfs {
namespace {

constexpr std::uint64_t kSlotsMin = 16; // less makes nvCOMP slow, and 3 MiB are always left, or nothing is

// An image that needs nvCOMP must be so much smaller than one that any server can decode.
constexpr std::uint64_t kWorthShare = 64;

std::uint64_t packed_size(std::span<const ImageEntry> entries) {
    std::uint64_t size = 0;
    for (const ImageEntry &entry : entries) size += entry.length();
    return size;
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

Result<std::unique_ptr<OwnedAnsWork>> Packer::make_ans_work(CUstream stream, std::uint64_t slots_max) {
    const Nvcomp &nvcomp = *TRY(this->nvcomp());
    for (std::uint64_t slots = std::clamp(slots_max, kSlotsMin, kEncodeSlotsMax);;
         slots = std::max(slots / 2, kSlotsMin)) {
        const AnsWork::Memory memory = TRY(AnsWork::memory_for(nvcomp, slots, AnsWork::Use::encode));
        Result<PoolPiece> piece = pool_.take(memory.size());
        if (piece) {
            const CUdeviceptr at = piece->address();
            return std::unique_ptr<OwnedAnsWork>(
                new OwnedAnsWork{*std::move(piece), {nvcomp, *kernels_, stream, memory, at}});
        }
        if (piece.error().code != ENOSPC || slots == kSlotsMin) return Error(piece.error());
    }
}

// Nothing where the bytes are no .safetensors file.
Result<TensorTypes> Packer::tensor_types(PackWork &work, std::span<const Slice> plain, std::uint64_t size) {
    const auto read = [&](std::uint64_t offset, std::span<std::byte> to) -> Result<void> {
        TRY(for_each_part(plain, offset, to.size(), [&](Slice part, std::uint64_t done) {
            return work.download(to.subspan(done, part.length), address_of(part));
        }));
        return work.wait();
    };
    std::array<std::byte, TensorTypes::kPrefix> prefix;
    TRY(read(0, prefix));
    const std::optional<std::uint64_t> length = TensorTypes::header_length(prefix, size);
    if (!length) return TensorTypes();
    std::vector<std::byte> header(*length);
    TRY(read(TensorTypes::kPrefix, header));
    return TensorTypes(header, size);
}

// Where it fails, the plan is as it was.
Result<void> Packer::plan_ans(PackPlan &plan, PackWork &work, std::span<const Slice> plain, PackBy by) {
    std::vector<ImageEntry> entries = plan.entries;
    const auto look = [&]() -> Result<void> {
        TRY(nvcomp());
        const TensorTypes types = TRY(tensor_types(work, plain, plan.plain_size));
        const auto ans = TRY(make_ans_work(work.stream(), entries.size()));
        return for_each_run(plain, {0, 0, 0, 0, entries.size()}, [&](const PackKernels::Chunks &chunks) {
            return ans->work.plan(chunks, std::span(entries).subspan(chunks.first, chunks.count), by, types);
        });
    };
    const Result<void> looked = look();
    // Our own codecs do, where nobody has asked for another one.
    if (!looked) return by == PackBy::ans ? Error(looked.error()) : Result<void>();
    const std::uint64_t own_size = packed_size(plan.entries), size = packed_size(entries);
    if (!has_ans(entries) || (by == PackBy::automatic && size + own_size / kWorthShare > own_size)) return {};
    plan.nvcomp = static_cast<std::uint32_t>(TRY(nvcomp())->version());
    plan.entries = std::move(entries);
    return {};
}

Result<void> Packer::decode_chunk(
    const ImageTable &table, std::span<const Slice> image, std::uint64_t chunk, std::span<kernels::Quad> plain) {
    GMEMFS_ASSERT(plain.size_bytes() >= kChunk);
    const ImageEntry &entry = table.entries[chunk];
    const ImageEntry moved = {0, entry.packed, entry.checksum, 0};
    const std::uint64_t packed_size = round_up(std::max<std::uint64_t>(entry.length(), 1), 256);
    const Nvcomp &nvcomp = *TRY(nvcomp_of(table.nvcomp));
    const AnsWork::Memory memory = TRY(AnsWork::memory_for(nvcomp, 1, AnsWork::Use::decode));
    const LentWork work = TRY(begin(1, packed_size + kChunk + memory.size()));
    const CUdeviceptr packed = work->end_of(1), target = packed + packed_size;
    TRY(work->upload(work->entries(), std::as_bytes(std::span(&moved, 1))));
    TRY(work->clear_findings());
    TRY(for_each_part(image, entry.offset(), entry.length(), [&](Slice part, std::uint64_t at) {
        return device().check(
            device().driver().cuMemcpyDtoDAsync(packed + at, address_of(part), part.length, work->stream()),
            "copy packed chunk");
    }));
    const PackKernels::Chunks one = {target, packed, work->entries(), chunk, 1};
    TRY(kernels_->check(work->stream(), one, work->findings()));
    TRY(verdict_of(TRY(work->wait_for_findings())));
    AnsWork ans(nvcomp, *kernels_, work->stream(), memory, target + kChunk);
    TRY(ans.decode(one, std::span(&moved, 1)));
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
