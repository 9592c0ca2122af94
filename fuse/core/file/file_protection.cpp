// File, protection: a file's parity as a whole: chosen, checked, sealed, and made anew after a restart.
#include "fuse/core/file/file.hpp"

#include <algorithm>
#include <map>
#include <random>

namespace gmemfs {

Result<void> File::set_protection(Protection protection) {
    const HoldExclusive hold(layout_);
    if (!extents_.empty())
        return Error{EBUSY, 0, "set parity", "it has device memory already: truncate it to 0, or copy it"};
    parity_.set(protection);
    return {};
}

Result<BlockReport> File::check_parity(ParityMode mode, std::uint64_t offset, std::uint64_t length) {
    BlockReport report = TRY(check_parity_once(mode, offset, length));
    if (report.left_wrong.empty() || mode != ParityMode::repair || !has_replicas()) return report;
    if (!TRY(mend_from_replicas())) return report;
    const BlockReport again = TRY(check_parity_once(ParityMode::repair, offset, length));
    report.blocks_mended += report.left_wrong.size() - again.left_wrong.size();
    report.left_wrong = again.left_wrong;
    return report;
}

Result<BlockReport> File::check_parity_once(ParityMode mode, std::uint64_t offset, std::uint64_t length) {
    const HoldShared hold(layout_);
    const std::uint64_t end = stored_end();
    const std::uint64_t from = std::min(offset, end), to = from + std::min(length, end - from);
    // Writers of the range wait meanwhile, 40 us for 64 MiB (H200).
    const RangeLock::HeldRange range = ranges_.share(parity_.start_of(from), parity_.end_of(to));
    return parity_.check(mode, extents_, from, to);
}

Result<void> File::damage(
    Copiers &copiers, std::uint64_t offset, std::uint64_t length, std::uint64_t bits, std::uint64_t seed) {
    constexpr std::uint64_t kMost = std::uint64_t(1) << 24;
    const HoldExclusive hold(layout_);
    const std::uint64_t from = std::min(offset, stored_end()), bytes = std::min(length, stored_end() - from);
    if (bits > kMost || bits > bytes * 8) return Error{EINVAL, 0, "damage file", "there are not so many bits"};
    forget_digest();
    TRY(parity_.wait(extents_)); // else a write's encoding would come later, and make the damage right
    std::mt19937_64 random(seed);
    std::map<std::uint64_t, std::uint8_t> turned; // by byte: which of its bits
    for (std::uint64_t done = 0; done < bits;) {
        const std::uint64_t bit = random() % (bytes * 8);
        std::uint8_t &mask = turned[from + bit / 8];
        const auto one = static_cast<std::uint8_t>(1U << bit % 8);
        if ((mask & one) == 0) ++done;
        mask |= one;
    }
    for (const auto &[at, mask] : turned)
        TRY(extents_.for_each(at, 1, [&, turn = std::byte(mask)](Slice slice, std::uint64_t) -> Result<void> {
            std::byte byte{};
            Copier &copier = copiers.of(slice.extent->device());
            TRY(copier.read(slice, {&byte, 1}));
            byte ^= turn;
            return copier.write(slice, {&byte, 1});
        }));
    return {};
}

Result<void> File::seal() {
    if (!parity_.is_on()) return {};
    if (parity_.follows()) {
        const HoldShared hold(layout_);
        if (std::ranges::none_of(extents_.pieces(), FileParity::is_lacking)) return parity_.wait(extents_);
    }
    const HoldExclusive hold(layout_);
    ExtentList::Pieces pieces = extents_.pieces();
    if (std::ranges::any_of(pieces, FileParity::is_lacking)) {
        for (Piece &piece : pieces)
            if (FileParity::is_lacking(piece)) TRY(parity_.attach(piece, piece.length));
        extents_ = ExtentList(std::move(pieces));
    }
    return parity_.seal(extents_, stored_end());
}

// The server before this one has left data and no parity, so what is there now counts as right.
void File::restore_parity() {
    if (!parity_.is_on() || extents_.empty()) return;
    ExtentList::Pieces pieces = extents_.pieces();
    bool is_complete = !extents_.any_exported(); // or a peer may be writing
    for (Piece &piece : pieces)
        if (!parity_.attach(piece, piece.length)) is_complete = false; // no room; sealing the file tries again
    extents_ = ExtentList(std::move(pieces));
    if (!is_complete || !parity_.encode(extents_, stored_end())) parity_.begun_writing(FileParity::Writer::unknown);
}

} // namespace gmemfs
