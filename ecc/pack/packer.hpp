// Packer: encodes the bytes of a file into a smaller image on the same device, and decodes them (docs/cold.md).
#pragma once

#include "ecc/pack/image.hpp"
#include "ecc/pack/kernels.hpp"
#include "ecc/parity/pool.hpp"

#include <cstdint>
#include <memory>
#include <optional>
#include <span>
#include <vector>

namespace gmemfs {

/// What an image of some bytes will be: the codec and length of each chunk, so its exact size, before there is memory
/// for it. A value; good for exactly those bytes.
struct PackPlan {
    std::uint64_t plain_size = 0; ///< bytes
    std::uint64_t image_size = 0; ///< bytes
    std::vector<ImageEntry> entries;
};

/// Thread-safe; each call has device memory and a stream of its own while it lasts, and waits for the device.
/// Slices are whole chunks in the file's order, each but the last a multiple of 2 MiB. What the last chunk has past the
/// file's size is zeros: the caller has cleared it. An image lies in one slice.
class Packer {
public:
    /// ENOEXEC: no machine code for this GPU.
    static Result<std::unique_ptr<Packer>> create(Keeper &keeper, Device &device);
    Device &device() const { return kernels_->device(); }

    /// How `size` bytes would be packed. Nobody writes to them until encode() has returned. ENOSPC: no device memory
    /// for the table. EFBIG: the image would have more than 256 GiB.
    Result<PackPlan> plan(std::span<const Slice> plain, std::uint64_t size);
    /// Makes the image: header, table, chunks and their checksums; then decodes it and compares it with the plain
    /// bytes. `image` has plan.image_size bytes at least. EIO: the device failed, or the image isn't right.
    Result<void> encode(const PackPlan &plan, std::span<const Slice> plain, Slice image);

    /// Reads header and table. EBADMSG: this is no image, or a damaged one; the text says what is wrong.
    Result<ImageTable> open(Slice image);
    /// Checks the checksums of chunks [first, first + count), and decodes them to `plain`, from its start; the last
    /// chunk whole, with the zeros that it was filled up with. Where it fails, what `plain` holds is undefined, and
    /// nothing outside of it has changed. EIO: a checksum is wrong; the text names the chunk. EBADMSG: a chunk is none.
    Result<void> decode(
        const ImageTable &table, Slice image, std::uint64_t first, std::uint64_t count, std::span<const Slice> plain);

    using Quad = kernels::Quad; ///< 16 bytes, and at a multiple of that
    /// The same for packed bytes that were copied to the host, by the kernels' text: for a device without memory left.
    /// `packed` begins with chunk `first`, and goes to the end of the last one; `plain` has count chunks.
    static Result<void> decode_on_host(const ImageTable &table, std::uint64_t first, std::uint64_t count,
        std::span<const Quad> packed, std::span<Quad> plain);

private:
    Packer(Keeper &keeper, Device &device, std::unique_ptr<PackKernels> kernels)
        : pool_(keeper, device), kernels_(std::move(kernels)) {}

    Pool pool_;
    // Where there is room for it: so that the pool's first extent stays. Small calls find memory then when windows have
    // taken the rest of the device, and don't make and unmap an extent each time, 0.65 ms to unmap alone (H200).
    std::optional<PoolPiece> first_;
    const std::unique_ptr<PackKernels> kernels_;
};

} // namespace gmemfs
