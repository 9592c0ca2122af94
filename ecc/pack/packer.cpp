#include "ecc/pack/packer.hpp"

#include "ecc/pack/crc32c.hpp"
#include "ecc/pack/kernels/crc32c.cuh"
#include "ecc/pack/kernels/decode.cuh"
#include "ecc/pack/processor_work.hpp"
#include "ecc/pack/work.hpp"
#include "vmm/base/units.hpp"
#include "vmm/device/trace.hpp"

#include <algorithm>
#include <array>
#include <cstring>
#include <optional>
#include <string>

namespace gmemfs {
namespace {

constexpr std::uint64_t kKeptSize = 2 * MiB; // a granule: the table of 16 GiB, but for 4 chunks

std::array<std::byte, kImageHeaderSize> header_of(const PackPlan &plan, std::span<const ImageEntry> entries) {
    return header_bytes({plan.plain_size, plan.image_size, static_cast<std::uint32_t>(entries.size()),
        crc32c(std::as_bytes(entries)), plan.nvcomp});
}

} // namespace

Packer::Packer(Keeper &keeper, Device &device, std::unique_ptr<PackKernels> kernels, NvcompPlaces places)
    : pool_(keeper, device), kernels_(std::move(kernels)), places_(places) {}
Packer::~Packer() = default;

// Memory for the findings, so many entries and, behind PackWork::end_of(entry_count), `more` bytes.
Result<Packer::LentWork> Packer::begin(std::uint64_t entry_count, std::uint64_t more) {
    const std::uint64_t size = PackWork::size_for(entry_count) + more;
    TRY(device().make_current());
    for (;;) {
        if (std::unique_ptr<PackWork> idle = take_idle(size)) return LentWork(idle.release(), GiveBack{this});
        Result<PoolPiece> piece = pool_.take(std::max(size, kKeptSize));
        if (piece) {
            Stream stream = TRY(Stream::create(device()));
            auto made = std::make_unique<PackWork>(device(), *std::move(piece), std::move(stream));
            const Hold hold(mutex_);
            ++lent_;
            return LentWork(made.release(), GiveBack{this});
        }
        if (piece.error().code != ENOSPC) return Error(piece.error());
        const Hold hold(mutex_);
        const bool is_back = idle_ && idle_->size() >= size;
        if (!is_back && lent_ == 0) return Error(piece.error());
        if (!is_back) given_back_.wait(mutex_);
    }
}

std::unique_ptr<PackWork> Packer::take_idle(std::uint64_t size) {
    const Hold hold(mutex_);
    if (!idle_ || idle_->size() < size) return nullptr;
    ++lent_;
    return std::move(idle_);
}

Result<Packer::LentWork> Packer::begin_copies() {
    TRY(device().make_current());
    if (std::unique_ptr<PackWork> idle = take_idle(0)) return LentWork(idle.release(), GiveBack{this});
    Stream stream = TRY(Stream::create(device()));
    return LentWork(new PackWork(device(), std::nullopt, std::move(stream)), GiveBack{this});
}

void Packer::GiveBack::operator()(PackWork *work) const {
    std::unique_ptr<PackWork> mine(work);
    const bool has_memory = mine->size() != 0;
    // Kernels may be using what is about to go, whatever the error was.
    const bool has_ended = mine->wait().has_value();
    if (!has_ended) (void)mine->wait(); // one failure needn't mean that the device has stopped
    if (!has_ended || mine->size() > kKeptSize) mine.reset();
    if (!has_memory) return;
    const Hold hold(packer->mutex_);
    if (!packer->idle_) packer->idle_ = std::move(mine);
    --packer->lent_;
    packer->given_back_.notify_all();
}

Result<std::unique_ptr<Packer>> Packer::create(Keeper &keeper, Device &device, NvcompPlaces places) {
    std::unique_ptr<PackKernels> kernels = TRY(PackKernels::load(device));
    return std::unique_ptr<Packer>(new Packer(keeper, device, std::move(kernels), places));
}

Result<PackPlan> Packer::plan(std::span<const Slice> plain, std::uint64_t size, PackBy by) {
    const Trace trace("gmemfs pack plan");
    PackPlan plan{size, 0, std::vector<ImageEntry>(chunk_count(size)), 0};
    if (!plan.entries.empty()) {
        const LentWork work = TRY(begin(plan.entries.size(), 0));
        TRY(for_each_run(plain, {0, 0, work->entries(), 0, plan.entries.size()},
            [&](const PackKernels::Chunks &chunks) { return kernels_->plan(work->stream(), chunks); }));
        TRY(work->download(std::as_writable_bytes(std::span(plan.entries)), work->entries()));
        TRY(work->wait());
        if (by != PackBy::own) TRY(plan_foreign(plan, *work, plain, by));
    }
    plan.image_size = TRY(lay_out(plan.entries));
    return plan;
}

Result<void> Packer::encode(const PackPlan &plan, std::span<const Slice> plain, std::span<const Slice> image) {
    const Trace trace("gmemfs pack encode");
    if (image.size() > 1 || image.front().extent->device().info().is_host()) return encode_staged(plan, plain, image);
    GMEMFS_ASSERT(image.front().length >= plan.image_size);
    std::vector<ImageEntry> entries(plan.entries.size()); // the plan's, with checksums
    std::array<std::byte, kImageHeaderSize> header;
    const LentWork work = TRY(begin(0, 0));
    const CUdeviceptr at = TRY(address_of(image.front()));
    const std::uint64_t table_end = kImageHeaderSize + entries.size() * sizeof(ImageEntry);
    TRY(work->clear(at, kImageHeaderSize)); // until all is right
    TRY(work->upload(at + kImageHeaderSize, std::as_bytes(std::span(plan.entries))));
    TRY(work->clear(at + table_end, first_place(entries.size()) - table_end));
    TRY(work->clear_findings());
    const PackKernels::Chunks all = {0, at, at + kImageHeaderSize, 0, entries.size()};
    if (all.count != 0) {
        TRY(for_each_run(
            plain, all, [&](const PackKernels::Chunks &chunks) { return kernels_->encode(work->stream(), chunks); }));
        if (plan.helper != Helper::none) {
            const auto foreign =
                TRY(make_encoder(plan.helper, work->stream(), all.count, foreign_codecs(plan.entries)));
            TRY(for_each_run(plain, all, [&](const PackKernels::Chunks &chunks) {
                return foreign->encode(
                    chunks, std::span(plan.entries).subspan(chunks.first, chunks.count), work->findings());
            }));
        }
        TRY(kernels_->checksum(work->stream(), all));
        TRY(for_each_run(plain, all, [&](const PackKernels::Chunks &chunks) {
            return kernels_->compare(work->stream(), chunks, work->findings());
        }));
    }
    TRY(work->download(std::as_writable_bytes(std::span(entries)), all.entries));
    TRY(verdict_of_comparison(TRY(work->wait_for_findings())));
    header = header_of(plan, entries); // the table is there
    const Result<void> queued = work->upload(at, header);
    const Result<void> waited = work->wait(); // always: `header` goes
    return queued ? waited : queued;
}

// Header and table, of an image that is right otherwise.
Result<void> Packer::finish(
    PackWork &work, const PackPlan &plan, std::span<const ImageEntry> entries, std::span<const Slice> image) {
    std::vector<std::byte> front(first_place(entries.size()));
    const std::span<const std::byte> table = std::as_bytes(entries);
    if (!table.empty()) std::memcpy(&front[kImageHeaderSize], table.data(), table.size());
    std::ranges::copy(header_of(plan, entries), front.begin());
    const Result<void> queued =
        for_each_part(image, 0, front.size(), [&](Slice part, std::uint64_t done) -> Result<void> {
            return work.upload(TRY(address_of(part)), std::span(front).subspan(done, part.length));
        });
    const Result<void> waited = work.wait(); // always: `front` goes
    return queued ? waited : queued;
}

Result<ImageTable> Packer::open(std::span<const Slice> image) {
    std::uint64_t room = 0;
    for (const Slice &slice : image) room += slice.length;
    if (room < kImageHeaderSize) return Error{EBADMSG, 0, "read header of a packed image", "it is too short"};
    std::array<std::byte, kImageHeaderSize> bytes;
    std::vector<std::byte> table;
    const LentWork work = TRY(begin_copies());
    const auto read = [&](std::uint64_t offset, std::span<std::byte> to) -> Result<void> {
        TRY(for_each_part(image, offset, to.size(), [&](Slice part, std::uint64_t done) -> Result<void> {
            return work->download(to.subspan(done, part.length), TRY(address_of(part)));
        }));
        return work->wait();
    };
    TRY(read(0, bytes));
    const ImageHeader header = TRY(parse_header(bytes, room));
    table.resize(header.chunk_count * sizeof(ImageEntry));
    TRY(read(kImageHeaderSize, table));
    return parse_table(header, table);
}

Result<void> Packer::decode(const ImageTable &table, std::span<const Slice> image, std::uint64_t first,
    std::uint64_t count, std::span<const Slice> plain) {
    const Trace trace("gmemfs pack decode");
    GMEMFS_ASSERT(first + count <= table.entries.size());
    if (count == 0) return {};
    // The table that was checked, not the image's: what lies on the device may have changed since.
    const std::span<const ImageEntry> entries = std::span(table.entries).subspan(first, count);
    const std::uint64_t from = entries.front().offset(), to = entries.back().offset() + entries.back().length();
    // Where the chunks lie in one slice, kernels read them there; many of them not over the bus.
    std::uint64_t start = 0;
    for (const Slice &slice : image) {
        const bool is_near = count <= kOverBusMax || !slice.extent->device().info().is_host();
        if (from >= start && to <= start + slice.length && is_near) {
            const std::vector<ImageEntry> moved = entries_from(entries, start);
            const CUdeviceptr at = TRY(address_of(slice));
            return decode_near(table, {0, at, 0, first, count}, moved, plain);
        }
        start += slice.length;
    }
    return decode_staged(table, image, first, count, plain);
}

// Where the chunks lie in one slice: kernels read them there.
Result<void> Packer::decode_near(const ImageTable &table, PackKernels::Chunks all, std::span<const ImageEntry> entries,
    std::span<const Slice> plain) {
    Decoder decoder = TRY(decoder_for(table.nvcomp, entries, all.count));
    const LentWork work = TRY(begin_decoding(decoder, all.count, entries));
    all.entries = work->entries();
    TRY(work->upload(work->entries(), std::as_bytes(entries)));
    TRY(work->clear_findings());
    TRY(kernels_->check(work->stream(), all, work->findings()));
    if (has_foreign(entries)) {
        TRY(verdict_of(TRY(work->wait_for_findings()))); // nvCOMP believes what it decodes
        const auto foreign = TRY(open_decoder(decoder, work->stream(), work->end_of(all.count)));
        TRY(for_each_run(plain, all, [&](const PackKernels::Chunks &chunks) {
            return foreign->decode(chunks, entries.subspan(chunks.first - all.first, chunks.count));
        }));
    }
    TRY(for_each_run(plain, all,
        [&](const PackKernels::Chunks &chunks) { return kernels_->decode(work->stream(), chunks, work->findings()); }));
    return verdict_of(TRY(work->wait_for_findings()));
}

Result<void> Packer::prove(const ImageTable &table, Slice image) {
    const Trace trace("gmemfs pack prove");
    GMEMFS_ASSERT(image.length >= table.image_size);
    GMEMFS_ASSERT(table.nvcomp == 0);
    const std::uint64_t count = table.entries.size();
    if (count == 0) return {};
    const ImageEntry &last = table.entries.back();
    std::vector<Quad> packed((last.length() + sizeof(Quad) - 1) / sizeof(Quad)), plain(kChunk / sizeof(Quad));
    const LentWork work = TRY(begin(count, 0));
    TRY(work->upload(work->entries(), std::as_bytes(std::span(table.entries))));
    TRY(work->clear_findings());
    const CUdeviceptr at = TRY(address_of(image));
    const PackKernels::Chunks all = {0, at, work->entries(), 0, count};
    TRY(kernels_->check(work->stream(), all, work->findings()));
    TRY(kernels_->prove(work->stream(), all, work->findings()));
    TRY(work->download(std::as_writable_bytes(std::span(packed)).first(last.length()), all.image + last.offset()));
    TRY(verdict_of(TRY(work->wait_for_findings())));
    // nvCOMP may be given these streams later: so none may be what a decoder that takes any bytes doesn't take.
    TRY(ProcessorWork(device(), work->stream()).prove(all, table.entries));
    TRY(decode_on_host(table, count - 1, 1, packed, plain));
    const auto rest = std::as_bytes(std::span(plain)).subspan(table.plain_size - (count - 1) * kChunk);
    if (std::ranges::all_of(rest, [](std::byte byte) { return byte == std::byte(0); })) return {};
    return Error{EBADMSG, 0, "decode packed image",
        "chunk " + std::to_string(count - 1) + ": something lies behind the end of the file"};
}

Result<void> Packer::decode_on_host(const ImageTable &table, std::uint64_t first, std::uint64_t count,
    std::span<const Quad> packed, std::span<Quad> plain) {
    GMEMFS_ASSERT(first + count <= table.entries.size());
    GMEMFS_ASSERT(plain.size_bytes() >= count * kChunk);
    const auto begin = table.entries.begin() + static_cast<std::ptrdiff_t>(first);
    std::vector<ImageEntry> entries(begin, begin + static_cast<std::ptrdiff_t>(count));
    for (ImageEntry &entry : entries) entry.place -= begin->place; // packed begins there
    PackFindings found;
    std::memset(&found, 0xff, sizeof found);
    const auto *const image = reinterpret_cast<const std::uint8_t *>(packed.data());
    auto *const bytes = reinterpret_cast<std::uint8_t *>(plain.data());
    for (std::uint64_t index = 0; index < count; ++index) {
        GMEMFS_ASSERT(entries[index].offset() + entries[index].length() <= packed.size_bytes());
        if (is_ans(entries[index].codec()))
            return Error{EBADMSG, 0, "decode packed image",
                "chunk " + std::to_string(first + index) + ": nvCOMP has packed it, which only a device decodes"};
        const kernels::Warp warp(index, count);
        kernels::pack_check(warp, image, entries.data(), count, first, &found);
        if (is_foreign(entries[index].codec())) {
            const auto stream = std::as_bytes(packed).subspan(entries[index].offset(), entries[index].length());
            if (found.checksum_wrong == PackFindings::kNoChunk &&
                !decode_stream(
                    entries[index].codec(), stream, std::as_writable_bytes(plain).subspan(index * kChunk, kChunk)))
                found.malformed = std::min(found.malformed, first + index);
            continue;
        }
        kernels::pack_decode(warp, bytes, image, entries.data(), count, first, &found);
    }
    return verdict_of(found);
}

} // namespace gmemfs
