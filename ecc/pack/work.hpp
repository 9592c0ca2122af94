// PackWork: what one call of a Packer has of the device while it lasts. For the Packer's own files.
#pragma once

#include "ecc/pack/foreign_work.hpp"
#include "ecc/pack/image.hpp"
#include "ecc/pack/kernels.hpp"
#include "ecc/parity/pool.hpp"
#include "vmm/base/units.hpp"
#include "vmm/device/stream.hpp"

#include <algorithm>
#include <optional>
#include <span>
#include <utility>
#include <vector>

namespace gmemfs {

inline constexpr std::uint64_t kFindingsSize = kPlaceUnit; ///< bytes; entries follow
static_assert(sizeof(PackFindings) <= kFindingsSize);

inline Result<CUdeviceptr> address_of(const Slice &slice) {
    const CUdeviceptr start = TRY(slice.extent->open());
    return start + slice.offset;
}

/// Calls visit(Slice, offset from the range's start) for what the slices, one behind the other, have of [offset, offset
/// + length).
template <typename Visit>
Result<void> for_each_part(
    std::span<const Slice> slices, std::uint64_t offset, std::uint64_t length, const Visit &visit) {
    std::uint64_t start = 0, done = 0;
    for (const Slice &slice : slices) {
        const std::uint64_t within = offset + done - start;
        if (done < length && within < slice.length) {
            const std::uint64_t part = std::min(length - done, slice.length - within);
            TRY(visit(Slice{slice.extent, slice.offset + within, part}, done));
            done += part;
        }
        start += slice.length;
    }
    GMEMFS_ASSERT(done == length);
    return {};
}

/// Calls body(chunks) for what each slice of plain bytes has of `chunks`, the first of which begins the first slice.
template <typename Body>
Result<void> for_each_run(std::span<const Slice> slices, PackKernels::Chunks chunks, const Body &body) {
    std::uint64_t left = chunks.count;
    for (const Slice &slice : slices) {
        if (left == 0) break;
        GMEMFS_ASSERT(slice.length % kChunk == 0);
        chunks.plain = TRY(address_of(slice));
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

/// What kernels found wrong while they decoded. EIO: a checksum. EBADMSG: a chunk is none.
Result<void> verdict_of(const PackFindings &found);
/// EIO: the image isn't what it was made from.
Result<void> verdict_of_comparison(const PackFindings &found);
/// The same entries for an image of which the first `start` bytes are left out.
std::vector<ImageEntry> entries_from(std::span<const ImageEntry> entries, std::uint64_t start);

inline bool has_ans(std::span<const ImageEntry> entries) {
    return std::ranges::any_of(entries, [](const ImageEntry &entry) { return is_ans(entry.codec()); });
}

inline bool has_foreign(std::span<const ImageEntry> entries) {
    return std::ranges::any_of(entries, [](const ImageEntry &entry) { return is_foreign(entry.codec()); });
}

/// Which foreign codecs there are.
std::vector<Codec> foreign_codecs(std::span<const ImageEntry> entries);

/// One call's stream and, unless it only copies, device memory. Not thread-safe. What it copies to and from on the host
/// outlives the loan, which ends with a wait.
class PackWork {
public:
    PackWork(Device &device, std::optional<PoolPiece> piece, Stream stream)
        : device_(device), piece_(std::move(piece)), stream_(std::move(stream)) {}

    /// Bytes for the findings and so many entries.
    static std::uint64_t size_for(std::uint64_t entry_count) {
        return round_up(kFindingsSize + entry_count * sizeof(ImageEntry), 256);
    }
    std::uint64_t size() const { return piece_ ? piece_->size() : 0; }
    CUdeviceptr end_of(std::uint64_t entry_count) const { return piece_->address() + size_for(entry_count); }
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
    Result<void> clear(CUdeviceptr at, std::uint64_t length) {
        if (length == 0) return {};
        return device_.check(device_.driver().cuMemsetD8Async(at, 0, length, stream()), "clear packed header");
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

} // namespace gmemfs
