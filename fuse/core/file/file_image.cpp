// File, image: gives a file's image to whoever saves it, and takes one back (docs/cold.md).
#include "fuse/core/file/file.hpp"
#include "vmm/device/trace.hpp"

#include <algorithm>
#include <utility>
#include <vector>

namespace gmemfs {
namespace {

constexpr std::uint64_t kSavedShare = 32; // of a file's bytes: what an image on a disk must save

Error keeps_plain(const char *why) { return {ENODATA, 0, "open image", why}; }

// What is wrong with an image from outside is told by one code; of what the device did, the driver's own stays.
Error refused(Error error) {
    if (error.code == EIO && error.driver == 0) error.code = EBADMSG;
    return error;
}

Result<ImageTable> checked_image(Packer &packer, Slice image) {
    ImageTable table = TRY(packer.open(std::span(&image, 1)));
    if (table.image_size != image.length)
        return Error{EBADMSG, 0, "take image",
            "it says that it has " + std::to_string(table.image_size) + " bytes, and there are " +
                std::to_string(image.length)};
    if (table.plain_size == 0) return Error{EBADMSG, 0, "take image", "it is that of an empty file"};
    TRY(table.check_portable());
    TRY(packer.prove(table, image));
    return table;
}

} // namespace

Result<std::unique_ptr<OpenImage>> File::open_image(Copiers &copiers, ImageOf which, uid_t reader) {
    const Trace trace("gmemfs open image");
    auto image = std::make_unique<OpenImage>(storage_.quotas());
    const HoldExclusive hold(layout_);
    const bool is_packed = residence_ == Residence::packed;
    if (is_packed && nvcomp_ == 0)
        TRY(hold_own_image(*image, copiers, reader));
    else if (which == ImageOf::packed)
        return keeps_plain(is_packed ? "its own is for memory alone" : "the file isn't packed");
    else if (is_packed)
        TRY(make_portable_image(*image, copiers, reader));
    else
        TRY(make_image_for(*image, copiers, reader));
    return image;
}

// The image is looked at first: what is damaged would be found when it is restored, and that is too late.
Result<void> File::hold_own_image(OpenImage &image, Copiers &copiers, uid_t reader) {
    const std::shared_ptr<const ImageTable> table = TRY(image_table());
    const bool is_one = extents_.count() == 1; // else it is in host memory, where the processor reaches it
    Result<void> proven = is_one ? prove_image(*table) : decode_all_on_host(copiers.of(home()));
    if (is_one && !proven && proven.error().code == ENOSPC) proven = decode_all_on_host(copiers.of(home()));
    TRY(proven);
    TRY(image.charge(reader, extents_.size()));
    const std::optional<Digest> digest = TRY(known_digest());
    image.hold(extents_, table->image_size, {size(), true, false, digest});
    return {};
}

// What proves the image of a file where the device has no memory left for the table.
Result<void> File::decode_all_on_host(Copier &copier) {
    std::vector<std::byte> plain(MiB);
    for (std::uint64_t at = 0; at < size(); at += plain.size())
        TRY(read_on_host(copier, at, std::span(plain).first(std::min<std::uint64_t>(plain.size(), size() - at))));
    return {};
}

Result<void> File::make_image_for(OpenImage &image, Copiers &copiers, uid_t reader) {
    if (extents_.empty() || extents_.is_slot() || size() == 0) return keeps_plain("it is too small");
    const std::optional<Digest> digest = TRY(known_digest()); // clearing forgets it
    TRY(check_packable());
    const std::uint64_t whole = round_up(size(), kChunk); // the last chunk is packed whole
    if (tail_dirty_ || extents_.any_exported()) TRY(clear(copiers, size(), whole));
    const std::vector<Slice> plain = extents_.slices(0, whole);
    if (!open_to_home(plain)) return keeps_plain("it lies on devices without peer access to each other");
    return encode_image(image, copiers, reader, plain, digest);
}

// No disk may have what nvCOMP has packed: the bytes are decoded beside it, and packed by our own codecs.
Result<void> File::make_portable_image(OpenImage &image, Copiers &copiers, uid_t reader) {
    const std::uint64_t whole = round_up(size(), kChunk);
    const std::shared_ptr<Extent> extent = TRY(storage_.create(copiers, home(), whole, whole));
    const Slice plain = {extent.get(), 0, whole};
    TRY(decode_all(std::span(&plain, 1)));
    return encode_image(image, copiers, reader, std::span(&plain, 1), TRY(known_digest()));
}

// An image for a disk.
Result<void> File::encode_image(OpenImage &image, Copiers &copiers, uid_t reader, std::span<const Slice> plain,
    const std::optional<Digest> &digest) {
    Packer &packer = *TRY(storage_.packer_of(home()));
    const PackPlan plan = TRY(packer.plan(plain, size(), PackBy::own));
    if (plan.image_size + size() / kSavedShare > size()) return keeps_plain("nothing would be saved");
    TRY(image.charge(reader, round_up(plan.image_size, home().info().granularity)));
    const std::shared_ptr<Extent> extent = TRY(storage_.create(copiers, home(), plan.image_size, plan.image_size));
    const Slice target = {extent.get(), 0, extent->size()};
    TRY(packer.encode(plan, plain, std::span(&target, 1)));
    image.hold(ExtentList({Piece(extent)}), plan.image_size, {size(), residence_ == Residence::packed, true, digest});
    return {};
}

Result<std::optional<Digest>> File::known_digest() {
    if (!knows_digest_) return std::optional<Digest>();
    return std::optional<Digest>(TRY(digest_locked()));
}

Result<void> File::take_image(Copiers &copiers) {
    const Trace trace("gmemfs take image");
    const HoldExclusive hold(layout_);
    if (residence_ == Residence::packed) return Error{EALREADY, 0, "take image", "the file is packed already"};
    if (size() == 0) return Error{EBADMSG, 0, "take image", "nothing was written"};
    TRY(check_packable());
    TRY(prepare_change(copiers)); // out of host memory, too
    TRY(settle_locked(copiers));
    Layout next = layout();
    // An image lies in one extent that nobody else has.
    if (extents_.count() != 1 || extents_.is_slot() || extents_.any_exported())
        next.extents = TRY(gathered(copiers));
    else if (tail_dirty_)
        TRY(clear(copiers, size(), extents_.size())); // its parity is that of all the extent
    Packer &packer = *TRY(storage_.packer_of(home()));
    Result<ImageTable> table = checked_image(packer, {next.extents.pieces().front().extent.get(), 0, size()});
    if (!table) {
        charge_.lower_to(extents_.size());
        return refused(std::move(table.error()));
    }
    next.size = table->plain_size;
    next.kept = 0;
    next.tail = Layout::Tail::zeros;
    next.fit = Layout::Fit::tight;
    next.residence = Residence::packed;
    direct_writes_.add({0, next.size});
    // Another number, although the memory may be the same: what it holds means something else from here on.
    generation_.store(storage_.next_generation(), std::memory_order_release);
    {
        const Hold known(image_mutex_);
        image_ = std::make_shared<const ImageTable>(*std::move(table));
    }
    publish(std::move(next));
    return {};
}

} // namespace gmemfs
