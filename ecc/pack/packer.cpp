#include "ecc/pack/packer.hpp"

#include "ecc/pack/crc32c.hpp"
#include "ecc/pack/kernels/crc32c.cuh"
#include "ecc/pack/kernels/decode.cuh"
#include "vmm/device/stream.hpp"
#include "vmm/device/trace.hpp"

#include <algorithm>
#include <cstring>
#include <optional>
#include <string>

namespace gmemfs {
namespace {

constexpr std::uint64_t kFindingsSize = kPlaceUnit; // bytes; entries follow
static_assert(sizeof(PackFindings) <= kFindingsSize);

CUdeviceptr address_of(const Slice &slice) { return slice.extent->address() + slice.offset; }

/// One call's stream and device memory. The destructor waits: kernels may be using what is about to go.
class Work {
public:
    static Result<Work> begin(Pool &pool, std::uint64_t entry_count) {
        TRY(pool.device().make_current());
        PoolPiece piece = TRY(pool.take(kFindingsSize + entry_count * sizeof(ImageEntry)));
        Stream stream = TRY(Stream::create(pool.device()));
        return Work(pool.device(), std::move(piece), std::move(stream));
    }
    /// For copies alone: it needs no device memory.
    static Result<Work> begin(Device &device) {
        TRY(device.make_current());
        Stream stream = TRY(Stream::create(device));
        return Work(device, std::nullopt, std::move(stream));
    }
    Work(Work &&) = default;
    Work &operator=(Work &&) = delete;
    Work(const Work &) = delete;
    Work &operator=(const Work &) = delete;
    ~Work() {
        if (stream_.get() != nullptr) device_.driver().cuStreamSynchronize(stream_.get());
    }

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
        PackFindings found{};
        TRY(download(std::as_writable_bytes(std::span(&found, 1)), findings()));
        TRY(wait());
        return found;
    }
    Result<void> wait() {
        return device_.check(device_.driver().cuStreamSynchronize(stream()), "wait for pack kernels");
    }

private:
    Work(Device &device, std::optional<PoolPiece> piece, Stream stream)
        : device_(device), piece_(std::move(piece)), stream_(std::move(stream)) {}

    Device &device_;
    std::optional<PoolPiece> piece_;
    Stream stream_;
};

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

Result<std::unique_ptr<Packer>> Packer::create(Keeper &keeper, Device &device) {
    std::unique_ptr<PackKernels> kernels = TRY(PackKernels::load(device));
    std::unique_ptr<Packer> packer(new Packer(keeper, device, std::move(kernels)));
    if (Result<PoolPiece> first = packer->pool_.take(1)) packer->first_.emplace(*std::move(first));
    return packer;
}

Result<PackPlan> Packer::plan(std::span<const Slice> plain, std::uint64_t size) {
    const Trace trace("gmemfs pack plan");
    PackPlan plan{size, 0, std::vector<ImageEntry>(chunk_count(size))};
    if (!plan.entries.empty()) {
        Work work = TRY(Work::begin(pool_, plan.entries.size()));
        TRY(for_each_slice(plain, {0, 0, work.entries(), 0, plan.entries.size()},
            [&](const PackKernels::Chunks &chunks) { return kernels_->plan(work.stream(), chunks); }));
        TRY(work.download(std::as_writable_bytes(std::span(plan.entries)), work.entries()));
        TRY(work.wait());
    }
    plan.image_size = TRY(lay_out(plan.entries));
    return plan;
}

Result<void> Packer::encode(const PackPlan &plan, std::span<const Slice> plain, Slice image) {
    const Trace trace("gmemfs pack encode");
    GMEMFS_ASSERT(image.length >= plan.image_size);
    Work work = TRY(Work::begin(pool_, 0));
    // A header of zeros until all is right.
    std::vector<std::byte> front(first_place(plan.entries.size()));
    std::vector<std::byte> table(plan.entries.size() * sizeof(ImageEntry));
    if (!table.empty()) std::memcpy(&front[kImageHeaderSize], plan.entries.data(), table.size());
    const CUdeviceptr at = address_of(image);
    TRY(work.upload(at, front));
    TRY(work.clear_findings());
    const PackKernels::Chunks all = {0, at, at + kImageHeaderSize, 0, plan.entries.size()};
    if (all.count != 0) {
        TRY(for_each_slice(
            plain, all, [&](const PackKernels::Chunks &chunks) { return kernels_->encode(work.stream(), chunks); }));
        TRY(kernels_->checksum(work.stream(), all));
        TRY(for_each_slice(plain, all, [&](const PackKernels::Chunks &chunks) {
            return kernels_->compare(work.stream(), chunks, work.findings());
        }));
    }
    TRY(work.download(table, all.entries)); // with the checksums
    const PackFindings found = TRY(work.wait_for_findings());
    if (found.different != PackFindings::kNoChunk)
        return about_chunk(EIO, "compare packed image", found.different, "it isn't what it was made from");
    const std::array header = header_bytes(
        {plan.plain_size, plan.image_size, static_cast<std::uint32_t>(plan.entries.size()), crc32c(table)});
    TRY(work.upload(at, header));
    return work.wait();
}

Result<ImageTable> Packer::open(Slice image) {
    if (image.length < kImageHeaderSize) return Error{EBADMSG, 0, "read header of a packed image", "it is too short"};
    Work work = TRY(Work::begin(device()));
    std::array<std::byte, kImageHeaderSize> bytes;
    TRY(work.download(bytes, address_of(image)));
    TRY(work.wait());
    const ImageHeader header = TRY(parse_header(bytes, image.length));
    std::vector<std::byte> table(header.chunk_count * sizeof(ImageEntry));
    TRY(work.download(table, address_of(image) + kImageHeaderSize));
    TRY(work.wait());
    return parse_table(header, table);
}

Result<void> Packer::decode(
    const ImageTable &table, Slice image, std::uint64_t first, std::uint64_t count, std::span<const Slice> plain) {
    const Trace trace("gmemfs pack decode");
    GMEMFS_ASSERT(image.length >= table.image_size);
    GMEMFS_ASSERT(first + count <= table.entries.size());
    if (count == 0) return {};
    Work work = TRY(Work::begin(pool_, count));
    // The table that was checked, not the image's: what lies on the device may have changed since.
    TRY(work.upload(work.entries(), std::as_bytes(std::span(table.entries).subspan(first, count))));
    TRY(work.clear_findings());
    const PackKernels::Chunks all = {0, address_of(image), work.entries(), first, count};
    TRY(kernels_->check(work.stream(), all, work.findings()));
    TRY(for_each_slice(plain, all,
        [&](const PackKernels::Chunks &chunks) { return kernels_->decode(work.stream(), chunks, work.findings()); }));
    return verdict_of(TRY(work.wait_for_findings()));
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
