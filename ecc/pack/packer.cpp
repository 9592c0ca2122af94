#include "ecc/pack/packer.hpp"

#include "ecc/pack/crc32c.hpp"
#include "ecc/pack/kernels/crc32c.cuh"
#include "ecc/pack/kernels/decode.cuh"
#include "vmm/base/units.hpp"
#include "vmm/device/stream.hpp"
#include "vmm/device/trace.hpp"

#include <algorithm>
#include <array>
#include <cstring>
#include <optional>
#include <string>

namespace gmemfs {
namespace {

constexpr std::uint64_t kFindingsSize = kPlaceUnit; // bytes; entries follow
constexpr std::uint64_t kKeptSize = 2 * MiB;        // a granule: the table of 16 GiB, but for 4 chunks
static_assert(sizeof(PackFindings) <= kFindingsSize);

CUdeviceptr address_of(const Slice &slice) { return slice.extent->address() + slice.offset; }

/// Calls body(chunks) for what each slice has of `chunks`, until there are no more.
template <typename Body>
Result<void> for_each_slice(std::span<const Slice> slices, PackKernels::Chunks chunks, const Body &body) {
    std::uint64_t left = chunks.count;
    for (const Slice &slice : slices) {
        if (left == 0) break;
        GMEMFS_ASSERT(slice.length % kChunk == 0);
        chunks.plain = address_of(slice);
        chunks.count = std::min(left, slice.length / kChunk);
        if (chunks.count == 0) continue;
        TRY(body(chunks));
        chunks.entries += chunks.count * sizeof(ImageEntry);
        chunks.first += chunks.count;
        left -= chunks.count;
    }
    GMEMFS_ASSERT(left == 0);
    return {};
}

Error about_chunk(int code, const char *doing, std::uint64_t chunk, const char *detail) {
    return {code, 0, doing, "chunk " + std::to_string(chunk) + ": " + detail};
}

Result<void> verdict_of(const PackFindings &found) {
    if (found.checksum_wrong != PackFindings::kNoChunk)
        return about_chunk(EIO, "check packed image", found.checksum_wrong, "its checksum is wrong");
    if (found.malformed != PackFindings::kNoChunk)
        return about_chunk(EBADMSG, "decode packed image", found.malformed, "its bytes contradict themselves");
    return {};
}

} // namespace

/// One call's stream and, unless it only copies, device memory. Not thread-safe. What it copies to and from on the host
/// outlives the loan, which ends with a wait.
class Packer::Work {
public:
    Work(Device &device, std::optional<PoolPiece> piece, Stream stream)
        : device_(device), piece_(std::move(piece)), stream_(std::move(stream)) {}

    std::uint64_t size() const { return piece_ ? piece_->size() : 0; }
    CUstream stream() const { return stream_.get(); }
    CUdeviceptr findings() const { return piece_->address(); }
    CUdeviceptr entries() const { return piece_->address() + kFindingsSize; }

    Result<void> upload(CUdeviceptr to, std::span<const std::byte> bytes) {
        if (bytes.empty()) return {};
        return device_.check(
            device_.driver().cuMemcpyHtoDAsync(to, bytes.data(), bytes.size(), stream()), "write packed table");
    }
    /// The bytes are there after wait().
    Result<void> download(std::span<std::byte> bytes, CUdeviceptr from) {
        if (bytes.empty()) return {};
        return device_.check(
            device_.driver().cuMemcpyDtoHAsync(bytes.data(), from, bytes.size(), stream()), "read packed table");
    }
    Result<void> clear_findings() {
        return device_.check(
            device_.driver().cuMemsetD8Async(findings(), 0xff, sizeof(PackFindings), stream()), "clear findings");
    }
    Result<PackFindings> wait_for_findings() {
        TRY(download(std::as_writable_bytes(std::span(&found_, 1)), findings()));
        TRY(wait());
        return found_;
    }
    Result<void> wait() {
        return device_.check(device_.driver().cuStreamSynchronize(stream()), "wait for pack kernels");
    }

private:
    Device &device_;
    std::optional<PoolPiece> piece_;
    Stream stream_;
    PackFindings found_{};
};

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
    auto made = std::make_unique<Work>(device(), std::move(piece), std::move(stream));
    return LentWork(made.release(), GiveBack{this});
}

Result<Packer::LentWork> Packer::begin_copies() {
    TRY(device().make_current());
    {
        const Hold hold(mutex_);
        if (idle_) return LentWork(idle_.release(), GiveBack{this});
    }
    Stream stream = TRY(Stream::create(device()));
    return LentWork(new Work(device(), std::nullopt, std::move(stream)), GiveBack{this});
}

void Packer::GiveBack::operator()(Work *work) const {
    std::unique_ptr<Work> mine(work);
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
        TRY(for_each_slice(plain, {0, 0, work->entries(), 0, plan.entries.size()},
            [&](const PackKernels::Chunks &chunks) { return kernels_->plan(work->stream(), chunks); }));
        TRY(work->download(std::as_writable_bytes(std::span(plan.entries)), work->entries()));
        TRY(work->wait());
    }
    plan.image_size = TRY(lay_out(plan.entries));
    return plan;
}

Result<void> Packer::encode(const PackPlan &plan, std::span<const Slice> plain, Slice image) {
    const Trace trace("gmemfs pack encode");
    GMEMFS_ASSERT(image.length >= plan.image_size);
    // A header of zeros until all is right.
    std::vector<std::byte> front(first_place(plan.entries.size()));
    std::vector<std::byte> table(plan.entries.size() * sizeof(ImageEntry));
    std::array<std::byte, kImageHeaderSize> header;
    if (!table.empty()) std::memcpy(&front[kImageHeaderSize], plan.entries.data(), table.size());
    const LentWork work = TRY(begin(0));
    const CUdeviceptr at = address_of(image);
    TRY(work->upload(at, front));
    TRY(work->clear_findings());
    const PackKernels::Chunks all = {0, at, at + kImageHeaderSize, 0, plan.entries.size()};
    if (all.count != 0) {
        TRY(for_each_slice(
            plain, all, [&](const PackKernels::Chunks &chunks) { return kernels_->encode(work->stream(), chunks); }));
        TRY(kernels_->checksum(work->stream(), all));
        TRY(for_each_slice(plain, all, [&](const PackKernels::Chunks &chunks) {
            return kernels_->compare(work->stream(), chunks, work->findings());
        }));
    }
    TRY(work->download(table, all.entries)); // with the checksums
    const PackFindings found = TRY(work->wait_for_findings());
    if (found.different != PackFindings::kNoChunk)
        return about_chunk(EIO, "compare packed image", found.different, "it isn't what it was made from");
    header = header_bytes(
        {plan.plain_size, plan.image_size, static_cast<std::uint32_t>(plan.entries.size()), crc32c(table)});
    TRY(work->upload(at, header));
    return work->wait();
}

Result<ImageTable> Packer::open(Slice image) {
    if (image.length < kImageHeaderSize) return Error{EBADMSG, 0, "read header of a packed image", "it is too short"};
    std::array<std::byte, kImageHeaderSize> bytes;
    std::vector<std::byte> table;
    const LentWork work = TRY(begin_copies());
    TRY(work->download(bytes, address_of(image)));
    TRY(work->wait());
    const ImageHeader header = TRY(parse_header(bytes, image.length));
    table.resize(header.chunk_count * sizeof(ImageEntry));
    TRY(work->download(table, address_of(image) + kImageHeaderSize));
    TRY(work->wait());
    return parse_table(header, table);
}

Result<void> Packer::decode(
    const ImageTable &table, Slice image, std::uint64_t first, std::uint64_t count, std::span<const Slice> plain) {
    const Trace trace("gmemfs pack decode");
    GMEMFS_ASSERT(image.length >= table.image_size);
    GMEMFS_ASSERT(first + count <= table.entries.size());
    if (count == 0) return {};
    const LentWork work = TRY(begin(count));
    // The table that was checked, not the image's: what lies on the device may have changed since.
    TRY(work->upload(work->entries(), std::as_bytes(std::span(table.entries).subspan(first, count))));
    TRY(work->clear_findings());
    const PackKernels::Chunks all = {0, address_of(image), work->entries(), first, count};
    TRY(kernels_->check(work->stream(), all, work->findings()));
    TRY(for_each_slice(plain, all,
        [&](const PackKernels::Chunks &chunks) { return kernels_->decode(work->stream(), chunks, work->findings()); }));
    return verdict_of(TRY(work->wait_for_findings()));
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
