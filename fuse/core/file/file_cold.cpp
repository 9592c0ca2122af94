// File, cold: packs a file, moves it to host memory, wakes it, and reads what is packed (docs/cold.md).
#include "fuse/core/file/file.hpp"

#include "vmm/device/trace.hpp"

#include <algorithm>
#include <utility>

namespace gmemfs {
namespace {

// The image is worth it from here on: less than that is lost in the time that waking takes.
constexpr std::uint64_t kSavedShare = 32; // of the bytes that the file takes awake

constexpr const char *kCodecNames[kCodecs] = {
    "zero", "fill", "raw", "bf16", "fp32", "ans-bytes", "ans-fp8", "ans-half", "ans-single", "lz4", "zstd"};

std::uint64_t whole_chunks(std::uint64_t size) { return round_up(size, kChunk); }

// The parity of `length` bytes that are new in these extents.
void encode_moved(FileParity &parity, Copiers &copiers, const ExtentList &extents, std::uint64_t length) {
    for (const Piece &piece : extents.pieces()) {
        const std::uint64_t part = std::min(length, piece.length);
        parity.after_move(copiers, piece, part);
        length -= part;
    }
}

} // namespace

// Runs `use`, which reads the image; once more where it was damaged, and parity has mended it. EIO: it is damaged.
template <typename Use>
std::invoke_result_t<Use, Packer &, std::span<const Slice>> File::with_image(Use use) {
    Packer &packer = *TRY(storage_.packer_of(home()));
    const std::vector<Slice> image = extents_.slices(0, extents_.size());
    auto result = use(packer, image);
    if (!result && parity_.follows() && (result.error().code == EBADMSG || result.error().code == EIO)) {
        TRY(parity_.check(ParityMode::repair, extents_, 0, extents_.size()));
        result = use(packer, image);
    }
    if (!result && result.error().code == EBADMSG) {
        Error error = result.error();
        error.code = EIO; // as for any data that can't be had
        return error;
    }
    return result;
}

Result<void> File::check_packable() {
    if (is_leased())
        return Error{EBUSY, 0, "pack file", "a peer has it mapped: it can be packed when all have unmapped it"};
    if (named_handle_ == NamedHandle::given)
        return Error{EBUSY, 0, "pack file",
            "its fabric handle was read, so a process may have it mapped, and nobody can know: copy the file"};
    if (!parity_.is_on()) return {};
    if (!parity_.follows()) TRY(parity_.seal(extents_, size()));
    const BlockReport report = TRY(parity_.check(ParityMode::repair, extents_, 0, size()));
    if (report.left_wrong.empty()) return {};
    return Error{EIO, 0, "pack file", "it is damaged beyond repair: `gmemfs verify` tells where"};
}

File::Busy File::busy() const {
    const HoldShared hold(layout_);
    if (is_leased()) return Busy::leased;
    return named_handle_ == NamedHandle::given ? Busy::exported : Busy::no;
}

bool File::is_cold_locked() const { return residence_ == Residence::packed || offloaded_; }

Result<File::PackOutcome> File::pack(Copiers &copiers, PackBy by) {
    const Trace trace("gmemfs pack");
    const HoldExclusive hold(layout_);
    if (residence_ == Residence::packed) return PackOutcome::packed;
    if (extents_.empty() || extents_.is_slot() || size() == 0) return PackOutcome::kept;
    TRY(check_packable());
    Device &here = extents_.pieces().front().extent->device();
    Result<PackOutcome> outcome = pack_locked(copiers, here, by);
    if (outcome || outcome.error().code != ENOSPC || storage_.host() == nullptr || here.info().is_host())
        return outcome;
    // By way of host memory, where the device has no room for the image beside the bytes. It stays there if others have
    // taken what they left.
    outcome = TRY(pack_locked(copiers, *storage_.host(), by));
    if (*outcome == PackOutcome::packed)
        if (const Result<void> moved = move_to(copiers, here); !moved && !is_no_space(moved.error()))
            return Error(moved.error());
    return outcome;
}

// Encodes plain bytes into an image on `target`.
Result<File::PackOutcome> File::pack_locked(Copiers &copiers, Device &target, PackBy by) {
    // The last chunk is packed whole.
    if (tail_dirty_ || extents_.any_exported()) TRY(clear(copiers, size(), whole_chunks(size())));
    const std::vector<Slice> plain = extents_.slices(0, whole_chunks(size()));
    TRY(open_to_home(plain));
    Packer &packer = *TRY(storage_.packer_of(home()));
    const PackPlan plan = TRY(packer.plan(plain, size(), by));
    const std::uint64_t taken = round_up(plan.image_size, home().info().granularity);
    const std::uint64_t awake = awake_size(std::max(size(), kept_)); // what it has more while it grows goes by itself
    if (taken + awake / kSavedShare > awake) return PackOutcome::kept;
    ExtentList made = TRY(make_pieces(copiers, target, plan.image_size));
    const Result<void> encoded = packer.encode(plan, plain, made.slices(0, made.size()));
    if (!encoded) {
        charge_.lower_to(extents_.size());
        return Error(encoded.error());
    }
    encode_moved(parity_, copiers, made, plan.image_size);
    Layout next = layout();
    next.extents = std::move(made);
    next.tail = Layout::Tail::zeros;
    next.fit = Layout::Fit::tight;
    next.residence = Residence::packed;
    next.nvcomp = plan.nvcomp;
    publish_same_bytes(std::move(next));
    return PackOutcome::packed;
}

// One extent on a GPU, several of host memory. What is made isn't cleared.
Result<ExtentList> File::make_pieces(Copiers &copiers, Device &device, std::uint64_t size) {
    const std::uint64_t most = storage_.extent_max(device, size);
    TRY(charge_.raise_to(round_up(size, device.info().granularity)));
    const auto make = [&]() -> Result<ExtentList> {
        ExtentList::Pieces pieces;
        for (std::uint64_t done = 0; done < size;) {
            const std::uint64_t part = std::min(most, size - done);
            Piece piece(TRY(storage_.create(copiers, device, part, part)));
            TRY(parity_.attach(piece, part));
            done += piece.length;
            pieces.push_back(std::move(piece));
        }
        return ExtentList(std::move(pieces));
    };
    Result<ExtentList> made = make();
    if (!made) charge_.lower_to(extents_.size());
    return made;
}

// The extents' bytes, whatever they are, go to new ones on `device`.
Result<void> File::move_to(Copiers &copiers, Device &device) {
    const std::uint64_t used = residence_ == Residence::packed ? extents_.size() : std::max(size(), kept_);
    return publish_moved(copiers, TRY(make_pieces(copiers, device, used)));
}

// The same, of plain bytes, to where the file lives.
Result<void> File::move_home(Copiers &copiers) {
    const std::uint64_t used = std::max(size(), kept_);
    return publish_moved(copiers, ExtentList(TRY(make_extents(copiers, TRY(parts_of(0, used)), 0, used))));
}

Result<void> File::publish_moved(Copiers &copiers, ExtentList made) {
    const Result<void> copied = copy_to(copiers, made.pieces(), 0, std::min(stored_end(), made.size()));
    if (!copied) {
        charge_.lower_to(extents_.size());
        return copied;
    }
    Layout next = layout();
    next.extents = std::move(made);
    next.tail = residence_ == Residence::packed ? Layout::Tail::zeros : Layout::Tail::dirty; // it wasn't copied
    next.fit = Layout::Fit::tight;
    publish_same_bytes(std::move(next));
    return {};
}

Result<File::OffloadOutcome> File::offload(Copiers &copiers, Form form, PackBy by) {
    const Trace trace("gmemfs offload");
    const HoldExclusive hold(layout_);
    Device *const host = storage_.host();
    if (host == nullptr)
        return Error{ENOTSUP, 0, "move file to host memory", "the driver makes none that can be shared"};
    if (placement_.home == host || extents_.empty() || extents_.is_slot() || size() == 0) return OffloadOutcome::kept;
    const bool is_packed = residence_ == Residence::packed;
    if (offloaded_ && (is_packed || form == Form::as_they_are)) return OffloadOutcome::kept;
    TRY(check_packable());
    if (form == Form::packed && !is_packed) {
        const PackOutcome outcome = TRY(pack_locked(copiers, *host, by));
        if (outcome == PackOutcome::packed) return OffloadOutcome::moved;
        if (offloaded_) return OffloadOutcome::kept;
    }
    TRY(move_to(copiers, *host));
    return OffloadOutcome::moved;
}

Result<void> File::wake(Copiers &copiers) {
    const HoldExclusive hold(layout_);
    return wake_locked(copiers);
}

Result<void> File::wake_locked(Copiers &copiers) {
    if (!is_cold_locked()) return {};
    const Trace trace("gmemfs wake");
    if (residence_ == Residence::plain) return move_home(copiers);
    TRY(image_table());
    const std::vector<Placement::Part> parts = TRY(parts_of(0, std::max(size(), kept_)));
    const ExtentList plain(TRY(make_extents(copiers, parts, 0, whole_chunks(size()))));
    const std::vector<Slice> slices = plain.slices(0, whole_chunks(size()));
    Result<void> decoded = open_to_home(slices);
    if (decoded) decoded = decode_all(slices);
    if (!decoded) {
        charge_.lower_to(extents_.size());
        return decoded;
    }
    encode_moved(parity_, copiers, plain, size());
    Layout next = layout();
    next.extents = plain;
    next.tail = Layout::Tail::zeros;
    next.residence = Residence::plain;
    publish_same_bytes(std::move(next));
    return {};
}

Result<void> File::decode_all(std::span<const Slice> plain) {
    const std::shared_ptr<const ImageTable> table = TRY(image_table());
    return with_image([&](Packer &packer, std::span<const Slice> image) {
        return packer.decode(*table, image, 0, table->entries.size(), plain);
    });
}

// What lies on other devices is opened to the home's kernels.
Result<void> File::open_to_home(std::span<const Slice> slices) const {
    for (const Slice &slice : slices) {
        const Device &device = slice.extent->device();
        if (&device == &home() || device.info().is_host()) continue;
        if (!TRY(slice.extent->let_in(home(), UINT32_MAX)))
            return Error{EOPNOTSUPP, 0, "pack file",
                "it lies on devices without peer access to each other: `gmemfs doctor` shows which"};
    }
    return {};
}

// Bytes and size stay as they are, so the digest does.
void File::publish_same_bytes(Layout next) {
    const bool knew_digest = knows_digest_;
    {
        const Hold hold(image_mutex_);
        image_ = nullptr;
    }
    publish(std::move(next));
    knows_digest_ = knew_digest;
}

Result<std::shared_ptr<const ImageTable>> File::image_table() {
    const Hold hold(image_mutex_);
    if (image_ == nullptr) {
        ImageTable table =
            TRY(with_image([](Packer &packer, std::span<const Slice> image) { return packer.open(image); }));
        if (table.plain_size != size()) return Error{EIO, 0, "read packed file", "its image is that of another size"};
        image_ = std::make_shared<const ImageTable>(std::move(table));
    }
    return std::shared_ptr<const ImageTable>(image_);
}

Result<void> File::prepare_codecs() {
    const HoldShared hold(layout_);
    if (nvcomp_ == 0) return {};
    return TRY(storage_.packer_of(home()))
    ->prepare(nvcomp_);
}

Result<std::map<std::string, std::uint64_t>> File::codecs() {
    const HoldShared hold(layout_);
    if (residence_ == Residence::plain) return Error{ENODATA, 0, "tell codecs", "the file isn't packed"};
    std::map<std::string, std::uint64_t> chunks;
    const std::shared_ptr<const ImageTable> table = TRY(image_table());
    for (const ImageEntry &entry : table->entries) ++chunks[kCodecNames[static_cast<unsigned>(entry.codec())]];
    return chunks;
}

Result<std::shared_ptr<UnpackedWindow>> File::unpacked(std::uint64_t index) {
    constexpr std::uint64_t kChunks = UnpackedWindows::kSize / kChunk;
    const std::shared_ptr<const ImageTable> table = TRY(image_table());
    std::shared_ptr<UnpackedWindow> window = TRY(TRY(storage_.unpacked_of(home()))->get(generation(), index));
    const Hold hold(window->mutex);
    if (window->is_filled) return window;
    const std::uint64_t first = index * kChunks;
    const std::uint64_t count = std::min<std::uint64_t>(kChunks, table->entries.size() - first);
    const Slice target = window->memory.slice();
    TRY(with_image([&](Packer &packer, std::span<const Slice> image) {
        return packer.decode(*table, image, first, count, std::span(&target, 1));
    }));
    window->is_filled = true;
    return window;
}

// A packed file's bytes, where the device has no memory for a window: what the Packer keeps is enough for nvCOMP.
Result<void> File::read_on_host(Copier &copier, std::uint64_t offset, std::span<std::byte> to) {
    using Quads = std::vector<Packer::Quad>;
    const std::shared_ptr<const ImageTable> table = TRY(image_table());
    Quads plain(kChunk / sizeof(Packer::Quad));
    for (std::uint64_t done = 0; done < to.size();) {
        const std::uint64_t chunk = (offset + done) / kChunk, within = (offset + done) % kChunk;
        const ImageEntry &entry = table->entries[chunk];
        TRY(with_image([&](Packer &packer, std::span<const Slice> image) REQUIRES_SHARED(layout_) -> Result<void> {
            if (is_ans(entry.codec())) return packer.decode_chunk(*table, image, chunk, plain);
            Quads packed((entry.length() + sizeof(Packer::Quad) - 1) / sizeof(Packer::Quad));
            const std::span<std::byte> bytes = std::as_writable_bytes(std::span(packed));
            TRY(extents_.for_each(entry.offset(), entry.length(),
                [&](Slice from, std::uint64_t at) { return copier.read(from, bytes.subspan(at, from.length)); }));
            return Packer::decode_on_host(*table, chunk, 1, packed, plain);
        }));
        const std::size_t part = std::min<std::size_t>(to.size() - done, kChunk - within);
        std::ranges::copy(
            std::as_bytes(std::span(plain)).subspan(within, part), to.begin() + static_cast<std::ptrdiff_t>(done));
        done += part;
    }
    return {};
}

// Whether all of an image in one extent can be decoded; parity mends it where it can't.
Result<void> File::prove_image(const ImageTable &table) {
    return with_image([&](Packer &packer, std::span<const Slice> image) { return packer.prove(table, image.front()); });
}

// Up to where the extents hold what parity and damage are about.
std::uint64_t File::stored_end() const { return residence_ == Residence::packed ? extents_.size() : size(); }

} // namespace gmemfs
