#include "ecc/pack/packer.hpp"

#include "ecc/pack/crc32c.hpp"
#include "ecc/pack/kernels/crc32c.cuh"
#include "ecc/pack/kernels/decode.cuh"
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

} // namespace

Packer::Packer(Keeper &keeper, Device &device, std::unique_ptr<PackKernels> kernels)
    : pool_(keeper, device), kernels_(std::move(kernels)) {}
Packer::~Packer() = default;

Result<Packer::LentWork> Packer::begin(std::uint64_t entry_count) {
    const std::uint64_t size = kFindingsSize + entry_count * sizeof(ImageEntry);
    TRY(device().make_current());
    {
        const Hold hold(mutex_);
        if (idle_ && idle_->size() >= size) return LentWork(idle_.release(), GiveBack{this});
    }
    PoolPiece piece = TRY(pool_.take(std::max(size, kKeptSize)));
    Stream stream = TRY(Stream::create(device()));
    auto made = std::make_unique<PackWork>(device(), std::move(piece), std::move(stream));
    return LentWork(made.release(), GiveBack{this});
}

Result<Packer::LentWork> Packer::begin_copies() {
    TRY(device().make_current());
    {
        const Hold hold(mutex_);
        if (idle_) return LentWork(idle_.release(), GiveBack{this});
    }
    Stream stream = TRY(Stream::create(device()));
    return LentWork(new PackWork(device(), std::nullopt, std::move(stream)), GiveBack{this});
}

void Packer::GiveBack::operator()(PackWork *work) const {
    std::unique_ptr<PackWork> mine(work);
    // Kernels may be using what is about to go, whatever the error was.
    if (!mine->wait()) {
        (void)mine->wait(); // one failure needn't mean that the device has stopped
        return;
    }
    if (mine->size() == 0 || mine->size() > kKeptSize) return;
    const Hold hold(packer->mutex_);
    if (!packer->idle_) packer->idle_ = std::move(mine);
}

Result<std::unique_ptr<Packer>> Packer::create(Keeper &keeper, Device &device) {
    std::unique_ptr<PackKernels> kernels = TRY(PackKernels::load(device));
    return std::unique_ptr<Packer>(new Packer(keeper, device, std::move(kernels)));
}

Result<PackPlan> Packer::plan(std::span<const Slice> plain, std::uint64_t size) {
    const Trace trace("gmemfs pack plan");
    PackPlan plan{size, 0, std::vector<ImageEntry>(chunk_count(size))};
    if (!plan.entries.empty()) {
        const LentWork work = TRY(begin(plan.entries.size()));
        TRY(for_each_run(plain, {0, 0, work->entries(), 0, plan.entries.size()},
            [&](const PackKernels::Chunks &chunks) { return kernels_->plan(work->stream(), chunks); }));
        TRY(work->download(std::as_writable_bytes(std::span(plan.entries)), work->entries()));
        TRY(work->wait());
    }
    plan.image_size = TRY(lay_out(plan.entries));
    return plan;
}

Result<void> Packer::encode(const PackPlan &plan, std::span<const Slice> plain, std::span<const Slice> image) {
    const Trace trace("gmemfs pack encode");
    if (image.size() > 1 || image.front().extent->device().info().is_host()) return encode_staged(plan, plain, image);
    GMEMFS_ASSERT(image.front().length >= plan.image_size);
    // A header of zeros until all is right.
    const std::vector<std::byte> front(first_place(plan.entries.size()));
    std::vector<ImageEntry> entries(plan.entries.size()); // the plan's, with checksums
    const LentWork work = TRY(begin(0));
    const CUdeviceptr at = address_of(image.front());
    TRY(work->upload(at, front));
    TRY(work->upload(at + kImageHeaderSize, std::as_bytes(std::span(plan.entries))));
    TRY(work->clear_findings());
    const PackKernels::Chunks all = {0, at, at + kImageHeaderSize, 0, entries.size()};
    if (all.count != 0) {
        TRY(for_each_run(
            plain, all, [&](const PackKernels::Chunks &chunks) { return kernels_->encode(work->stream(), chunks); }));
        TRY(kernels_->checksum(work->stream(), all));
        TRY(for_each_run(plain, all, [&](const PackKernels::Chunks &chunks) {
            return kernels_->compare(work->stream(), chunks, work->findings());
        }));
    }
    TRY(work->download(std::as_writable_bytes(std::span(entries)), all.entries));
    TRY(verdict_of_comparison(TRY(work->wait_for_findings())));
    return finish(*work, plan, entries, image);
}

// Header and table, of an image that is right otherwise.
Result<void> Packer::finish(
    PackWork &work, const PackPlan &plan, std::span<const ImageEntry> entries, std::span<const Slice> image) {
    std::vector<std::byte> front(first_place(entries.size()));
    const std::span<const std::byte> table = std::as_bytes(entries);
    if (!table.empty()) std::memcpy(&front[kImageHeaderSize], table.data(), table.size());
    std::ranges::copy(
        header_bytes({plan.plain_size, plan.image_size, static_cast<std::uint32_t>(entries.size()), crc32c(table)}),
        front.begin());
    const Result<void> queued = for_each_part(image, 0, front.size(), [&](Slice part, std::uint64_t done) {
        return work.upload(address_of(part), std::span(front).subspan(done, part.length));
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
        TRY(for_each_part(image, offset, to.size(), [&](Slice part, std::uint64_t done) {
            return work->download(to.subspan(done, part.length), address_of(part));
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
            const LentWork work = TRY(begin(count));
            TRY(work->upload(work->entries(), std::as_bytes(std::span(moved))));
            TRY(work->clear_findings());
            const PackKernels::Chunks all = {0, address_of(slice), work->entries(), first, count};
            TRY(kernels_->check(work->stream(), all, work->findings()));
            TRY(for_each_run(plain, all, [&](const PackKernels::Chunks &chunks) {
                return kernels_->decode(work->stream(), chunks, work->findings());
            }));
            return verdict_of(TRY(work->wait_for_findings()));
        }
        start += slice.length;
    }
    return decode_staged(table, image, first, count, plain);
}

Result<void> Packer::prove(const ImageTable &table, Slice image) {
    const Trace trace("gmemfs pack prove");
    GMEMFS_ASSERT(image.length >= table.image_size);
    const std::uint64_t count = table.entries.size();
    if (count == 0) return {};
    const ImageEntry &last = table.entries.back();
    std::vector<Quad> packed((last.length() + sizeof(Quad) - 1) / sizeof(Quad)), plain(kChunk / sizeof(Quad));
    const LentWork work = TRY(begin(count));
    TRY(work->upload(work->entries(), std::as_bytes(std::span(table.entries))));
    TRY(work->clear_findings());
    const PackKernels::Chunks all = {0, address_of(image), work->entries(), 0, count};
    TRY(kernels_->check(work->stream(), all, work->findings()));
    TRY(kernels_->prove(work->stream(), all, work->findings()));
    TRY(work->download(std::as_writable_bytes(std::span(packed)).first(last.length()), all.image + last.offset()));
    TRY(verdict_of(TRY(work->wait_for_findings())));
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
        const kernels::Warp warp(index, count);
        kernels::pack_check(warp, image, entries.data(), count, first, &found);
        kernels::pack_decode(warp, bytes, image, entries.data(), count, first, &found);
    }
    return verdict_of(found);
}

} // namespace gmemfs
