// File, placement: makes a file's extents, each on the device that its placement gives the bytes to.
//
//     truncate, settle        parts_of(0, size) ------------+
//     growth beside others    parts_of(old end, new end) ---+--> make_extents: charged as one, made all or none
//     growth by writing       the device with the least ----+
#include "fuse/core/file/file.hpp"

#include <algorithm>
#include <utility>

namespace gmemfs {
namespace {

constexpr std::uint64_t kClearNothing = UINT64_MAX;
constexpr std::uint64_t kSpareShare = 16; // of a file's size: what it may hold above that, and a granule
// The storage refuses what no device has; this only keeps sums from overflowing.
constexpr std::uint64_t kHuge = std::uint64_t(1) << 62;

} // namespace

Device &File::chosen_home(std::uint64_t size) {
    if (placement_.home != nullptr) return home();
    Device &chosen = storage_.choose(size);
    placement_.home = &chosen;
    if (placement_.is_automatic && size > storage_.room_on(chosen))
        for (const auto &device : storage_.devices())
            if (device.get() != &chosen && !device->failed()) placement_.others.push_back(device.get());
    return chosen;
}

// [from, end) as it lies in a file that ends there.
Result<std::vector<Placement::Part>> File::parts_of(std::uint64_t from, std::uint64_t end) {
    chosen_home(end);
    if (!placement_.is_wide()) return std::vector<Placement::Part>{{&home(), from, end - from}};
    if (placement_.part_count(std::min(end, kHuge)) > kExtentsPerFileMax)
        return Error{EFBIG, 0, "resize file",
            "it would have more than " + std::to_string(kExtentsPerFileMax) +
                " extents: interleave it in larger units"};
    std::vector<Placement::Part> parts = placement_.parts(std::min(end, kHuge));
    std::erase_if(parts, [from](const Placement::Part &part) { return part.offset + part.length <= from; });
    if (const std::uint64_t before = from - std::min(from, parts.front().offset); before > 0) {
        parts.front().offset += before;
        parts.front().length -= before;
    }
    return parts;
}

// An extent for each part, beside so many bytes that the file keeps; charged before they are made. `clear_from` is an
// offset in the file.
Result<ExtentList::Pieces> File::make_extents(
    Copiers &copiers, std::span<const Placement::Part> parts, std::uint64_t beside, std::uint64_t clear_from) {
    std::uint64_t whole = beside;
    for (const Placement::Part &part : parts)
        whole += round_up(std::min(part.length, kHuge), part.device->info().granularity);
    TRY(charge_.raise_to(whole));
    const auto make = [&]() -> Result<ExtentList::Pieces> {
        ExtentList::Pieces pieces;
        for (const Placement::Part &part : parts) {
            const std::uint64_t clear_after =
                clear_from == kClearNothing ? kClearNothing : clear_from - std::min(clear_from, part.offset);
            Piece piece(TRY(storage_.create(copiers, *part.device, part.length, clear_after)));
            TRY(parity_.attach(piece, clear_after));
            pieces.push_back(std::move(piece));
        }
        return pieces;
    };
    Result<ExtentList::Pieces> pieces = make();
    if (!pieces) charge_.lower_to(extents_.size());
    return pieces;
}

// The extents, and one more for each of `parts`, which begin where they end.
Result<ExtentList> File::longer_by(Copiers &copiers, std::span<const Placement::Part> parts, std::uint64_t clear_from) {
    if (extents_.count() + parts.size() > kExtentsPerFileMax)
        return Error{EFBIG, 0, "grow file", "it has too many extents"};
    ExtentList::Pieces pieces = extents_.pieces();
    for (Piece &made : TRY(make_extents(copiers, parts, extents_.size(), clear_from)))
        pieces.push_back(std::move(made));
    return ExtentList(std::move(pieces));
}

// The extents, and new ones up to `end`, on the devices that have these bytes of a file of that size.
Result<ExtentList> File::longer(Copiers &copiers, std::uint64_t end, std::uint64_t clear_from) {
    return longer_by(copiers, TRY(parts_of(extents_.size(), end)), clear_from);
}

// The same, for a file whose end nobody knows yet: more than is needed, where there is room.
Result<ExtentList> File::longer_by_writing(Copiers &copiers, std::uint64_t end, std::uint64_t expected_end) {
    const std::uint64_t start = extents_.size(), needed = end - start;
    std::uint64_t wanted = std::max({needed, expected_end - start, spare_growth(end)});
    const std::uint64_t unit = placement_.is_wide() ? placement_.unit : 0;
    const bool is_spread = placement_.is_wide() && unit == 0;
    if (is_spread && extents_.empty()) wanted = std::max(needed, expected_end); // equal parts of what was told
    if (unit != 0) wanted = round_up(start + wanted, unit) - start;
    const bool knows_parts = !is_spread || extents_.empty();
    for (;;) {
        const Placement::Part part = {&lightest(), start, wanted};
        Result<ExtentList> all = knows_parts ? longer(copiers, start + wanted, kClearNothing)
                                             : longer_by(copiers, std::span(&part, 1), kClearNothing);
        if (all || !is_no_space(all.error()) || wanted == needed) return all;
        wanted = std::max(needed, wanted / 2);
    }
}

// Of the file's devices the one that has the fewest of its bytes.
Device &File::lightest() const {
    std::size_t least = 0;
    std::vector<std::uint64_t> bytes(placement_.count());
    for (std::size_t index = 0; placement_.is_wide() && index < bytes.size(); ++index) {
        for (const Piece &piece : extents_.pieces())
            if (&piece.extent->device() == &placement_.device(index)) bytes[index] += piece.length;
        if (bytes[index] < bytes[least]) least = index;
    }
    return placement_.device(least);
}

// As much again as the file has, as long as all of it could be copied to one extent then; else so little that it may
// stay where nothing can be moved: 64 GiB are 140 extents then, and an 80 GB device can hold them in one file.
std::uint64_t File::spare_growth(std::uint64_t end) {
    chosen_home(end);
    const std::uint64_t needed = end - extents_.size();
    const std::uint64_t doubled = std::max(needed, std::min(extents_.size(), kGrowthMax));
    const std::uint64_t with_copy = extents_.size() + 2 * doubled;
    const std::uint64_t with_parity = parity_.is_on() ? with_copy + with_copy / kSpareShare : with_copy;
    if (room() >= with_parity) return doubled;
    return round_down(extents_.size() / kSpareShare, home().info().granularity);
}

// On all devices of the file together, as its equal parts can use it.
std::uint64_t File::room() const {
    std::uint64_t least = UINT64_MAX;
    for (std::size_t index = 0; index < placement_.count(); ++index)
        least = std::min(least, storage_.room_on(placement_.device(index)));
    return least * placement_.count();
}

// Tight means that settling has nothing left to do, now or when there is more room.
Layout::Fit File::fit_of(const ExtentList &extents, std::uint64_t wanted) const {
    if (extents.empty() || extents.is_slot() || extents.any_exported()) return Layout::Fit::tight;
    const bool has_end = extents.size() == round_up(wanted, home().info().granularity);
    const bool is_tight = has_end && (placement_.is_wide() ? fits_but_for_end(extents, wanted) : extents.count() == 1);
    return is_tight ? Layout::Fit::tight : Layout::Fit::loose;
}

// Of a file over several devices: whether each part lies where it belongs, and only the last one takes too much.
bool File::fits_but_for_end(const ExtentList &extents, std::uint64_t wanted) const {
    if (!placement_.is_wide() || placement_.part_count(wanted) > kExtentsPerFileMax) return false;
    const std::vector<Placement::Part> parts = placement_.parts(wanted);
    const ExtentList::Pieces &pieces = extents.pieces();
    if (parts.empty() || pieces.size() < parts.size()) return false;
    for (std::size_t index = 0; index < parts.size(); ++index) {
        const bool is_last = index + 1 == parts.size();
        const bool is_there =
            &pieces[index].extent->device() == parts[index].device &&
            (is_last ? pieces[index].length >= parts[index].length : pieces[index].length == parts[index].length);
        if (!is_there) return false;
    }
    return true;
}

// Whether these extents of the file are in host memory, while it lives on a device.
bool File::is_away(const ExtentList &extents) const {
    if (extents.empty() || placement_.home == nullptr) return false;
    return extents.pieces().front().extent->device().info().is_host() && !home().info().is_host();
}

// All bytes in one new extent on the file's home.
Result<ExtentList> File::gathered(Copiers &copiers) {
    const Placement::Part part = {&home(), 0, size()};
    ExtentList one(TRY(make_extents(copiers, std::span(&part, 1), 0, size())));
    const Result<void> copied = copy_to(copiers, one.pieces(), 0, size());
    if (copied) return one;
    charge_.lower_to(extents_.size());
    return Error(copied.error());
}

} // namespace gmemfs
