// Packer: encodes the bytes of a file into a smaller image on the same device, and decodes them (docs/cold.md).
#pragma once

#include "ecc/pack/image.hpp"
#include "ecc/pack/kernels.hpp"
#include "ecc/pack/nvcomp_work.hpp"
#include "ecc/parity/pool.hpp"
#include "vmm/base/lock.hpp"
#include "vmm/base/units.hpp"

#include <cstdint>
#include <memory>
#include <span>
#include <vector>

namespace gmemfs {

class PackWork;

/// What an image of some bytes will be: the codec and length of each chunk, so its exact size, before there is memory
/// for it. A value; good for exactly those bytes.
struct PackPlan {
    std::uint64_t plain_size = 0; ///< bytes
    std::uint64_t image_size = 0; ///< bytes
    std::vector<ImageEntry> entries;
    std::uint32_t nvcomp = 0; ///< the version of nvCOMP that will be needed to decode it; 0: none
    Helper helper = Helper::none;
};

/// Where nvCOMP's library may be, asked each time that none was found before: it may have been installed meanwhile.
using NvcompPlaces = std::vector<std::string> (*)();

/// Thread-safe; each call has device memory and a stream of its own while it lasts, and waits for the device. From the
/// first call on, one stream and 2 MiB are kept for the next one: making and unmapping them costs a millisecond. Where
/// the device is full, calls wait for each other's.
/// Slices of plain bytes are whole chunks in the file's order, each but the last a multiple of 2 MiB. What the last
/// chunk has past the file's size is zeros: the caller has cleared it. An image lies in slices, too, each but the last
/// a multiple of 2 MiB: one slice on the device, which kernels work on; or several, or host memory, and then its bytes
/// go through two windows on the device, while the bus carries one, and kernels work on the other.
class Packer {
public:
    /// ENOEXEC: no machine code for this GPU. `places` may be null: then there is no nvCOMP.
    static Result<std::unique_ptr<Packer>> create(Keeper &keeper, Device &device, NvcompPlaces places);
    ~Packer();
    Packer(const Packer &) = delete;
    Packer &operator=(const Packer &) = delete;
    Device &device() const { return kernels_->device(); }
    std::uint64_t held() const { return pool_.held(); } ///< bytes of device memory, between calls and during them

    /// How `size` bytes would be packed. Nobody writes to them until encode() has returned. ENOSPC: no device memory
    /// for the table, or for nvCOMP. EFBIG: the image would have more than 256 GiB. ENOPKG: see decode().
    Result<PackPlan> plan(std::span<const Slice> plain, std::uint64_t size, PackBy by);
    /// Makes the image: header, table, chunks and their checksums; then decodes it and compares it with the plain
    /// bytes. `image` has plan.image_size bytes at least. EIO: the device failed, or the image isn't right. ENOSPC: no
    /// device memory for the windows.
    Result<void> encode(const PackPlan &plan, std::span<const Slice> plain, std::span<const Slice> image);

    /// Reads header and table; needs no device memory. EBADMSG: this is no image, or a damaged one; the text says what
    /// is wrong.
    Result<ImageTable> open(std::span<const Slice> image);
    /// Checks the checksums of chunks [first, first + count), and decodes them to `plain`, from its start; the last
    /// chunk whole, with the zeros that it was filled up with. Where it fails, what `plain` holds is undefined, and
    /// nothing outside of it has changed. EIO: a checksum is wrong; the text names the chunk. EBADMSG: a chunk is none.
    /// ENOPKG: nvCOMP has packed chunks of it, and isn't there in that version; the text says what to do.
    Result<void> decode(const ImageTable &table, std::span<const Slice> image, std::uint64_t first, std::uint64_t count,
        std::span<const Slice> plain);

    /// One chunk to the host, for a device without memory left: what the Packer keeps will do.
    Result<void> decode_chunk(
        const ImageTable &table, std::span<const Slice> image, std::uint64_t chunk, std::span<kernels::Quad> plain);
    /// Makes sure that decode_chunk() finds memory later, and that there is this version of nvCOMP. ENOPKG: see
    /// decode().
    Result<void> prepare(std::uint32_t nvcomp) EXCLUDES(mutex_, nvcomp_mutex_);

    /// Whether decode() of all chunks would succeed, and what the last chunk has past the file's size is zeros: for an
    /// image that somebody else has made, without chunks of nvCOMP's. Needs device memory for the table alone. Errors:
    /// see decode().
    Result<void> prove(const ImageTable &table, Slice image);

    using Quad = kernels::Quad; ///< 16 bytes, and at a multiple of that
    /// The same for packed bytes that were copied to the host, by the kernels' text: for a device without memory left.
    /// `packed` begins with chunk `first`, and goes to the end of the last one; `plain` has count chunks. EBADMSG also:
    /// a chunk is nvCOMP's.
    static Result<void> decode_on_host(const ImageTable &table, std::uint64_t first, std::uint64_t count,
        std::span<const Quad> packed, std::span<Quad> plain);

private:
    class Lane;
    static constexpr std::uint64_t kOverBusMax = 32;     // chunks: twice the window of a read(2)
    static constexpr std::uint64_t kDecodeSlots = 16384; // chunks that nvCOMP decodes at once; a MiB of its tables
    static constexpr std::uint64_t kEncodeSlots = 2048;  // chunks that it packs at once; 360 MiB of its window
    static constexpr std::uint64_t kForeignMemoryMax = 768 * MiB; // what it has of the device for one call
    static constexpr std::uint64_t kStreamsMin = 64; // of LZ4 or zstd; fewer are sooner decoded by a processor
    struct GiveBack {
        Packer *packer;
        void operator()(PackWork *work) const;
    };
    using LentWork = std::unique_ptr<PackWork, GiveBack>;

    Packer(Keeper &keeper, Device &device, std::unique_ptr<PackKernels> kernels, NvcompPlaces places);
    Result<LentWork> begin(std::uint64_t entry_count, std::uint64_t more) EXCLUDES(mutex_);
    std::unique_ptr<PackWork> take_idle(std::uint64_t size) EXCLUDES(mutex_);
    Result<LentWork> begin_copies() EXCLUDES(mutex_);
    Result<const Nvcomp *> nvcomp() EXCLUDES(nvcomp_mutex_);
    Result<const Nvcomp *> nvcomp_of(std::uint32_t version) EXCLUDES(nvcomp_mutex_);
    Result<TensorTypes> tensor_types(PackWork &work, std::span<const Slice> plain, std::uint64_t size);
    Result<void> plan_zstd(std::span<ImageEntry> entries, const PackPlan &own, const PackWork &work,
        std::span<const Slice> plain, const TensorTypes &types);
    Result<void> plan_foreign(PackPlan &plan, PackWork &work, std::span<const Slice> plain, PackBy by);
    Result<void> decode_near(const ImageTable &table, PackKernels::Chunks all, std::span<const ImageEntry> entries,
        std::span<const Slice> plain);
    Result<std::unique_ptr<ForeignWork>> make_encoder(
        Helper helper, CUstream stream, std::uint64_t count, std::span<const Codec> codecs);
    struct Decoder {                    // of foreign chunks
        const Nvcomp *nvcomp = nullptr; // null: processors
        NvcompWork::Memory memory = {};
    };
    Result<Decoder> decoder_for(std::uint32_t version, std::span<const ImageEntry> entries, std::uint64_t at_once);
    Result<LentWork> begin_decoding(Decoder &decoder, std::uint64_t entry_count, std::span<const ImageEntry> entries)
        EXCLUDES(mutex_);
    Result<std::unique_ptr<ForeignWork>> open_decoder(const Decoder &decoder, CUstream stream, CUdeviceptr at) const;
    Result<void> finish(
        PackWork &work, const PackPlan &plan, std::span<const ImageEntry> entries, std::span<const Slice> image);
    Result<std::unique_ptr<Lane>> make_lane(std::uint64_t window_size);
    Result<void> encode_staged(const PackPlan &plan, std::span<const Slice> plain, std::span<const Slice> image);
    Result<void> decode_staged(const ImageTable &table, std::span<const Slice> image, std::uint64_t first,
        std::uint64_t count, std::span<const Slice> plain);

    Pool pool_;
    const std::unique_ptr<PackKernels> kernels_;
    const NvcompPlaces places_;
    Mutex mutex_;
    Condition given_back_;
    std::unique_ptr<PackWork> idle_ GUARDED_BY(mutex_);
    std::uint64_t lent_ GUARDED_BY(mutex_) = 0; // works with device memory that calls have
    Mutex nvcomp_mutex_;                        // held while the library is opened
    std::unique_ptr<const Nvcomp> nvcomp_ GUARDED_BY(nvcomp_mutex_);
};

} // namespace gmemfs
