#include "fuse/core/file/file_parity.hpp"

#include "fuse/core/space/piece_parity.hpp"
#include "vmm/base/units.hpp"

#include <algorithm>

namespace gmemfs {

// Blocks `first` to `first + count` of a piece, the first of which is block number `in_file` of the file.
struct FileParity::Run {
    PieceParity &parity;
    std::uint64_t first, count, in_file;
};

// Every piece but one without parity (the device had no room for it, after a restart) gives one run at the most.
template <typename Visit>
Result<void> FileParity::for_each_run(
    const ExtentList &extents, std::uint64_t offset, std::uint64_t end, Visit visit) const {
    if (offset >= end) return {}; // rounding would make an empty range a block
    const std::uint64_t from = round_down(offset, kBlockSize);
    const std::uint64_t to = std::min(round_up(end, kBlockSize), extents.size());
    for (std::size_t index = 0; index < extents.count(); ++index) {
        const Piece &piece = extents.pieces()[index];
        const std::uint64_t start = extents.offset(index);
        const std::uint64_t first = std::max(from, start), last = std::min(to, start + piece.length);
        if (first >= last || piece.beside == nullptr) continue;
        TRY(visit(Run{static_cast<PieceParity &>(*piece.beside), (first - start) / kBlockSize,
            (last - first) / kBlockSize, first / kBlockSize}));
    }
    return {};
}

ParityState FileParity::state() const {
    if (!is_on()) return ParityState::off;
    const Hold hold(mutex_);
    if (!damaged_.empty()) return ParityState::damaged;
    return open_.load(std::memory_order_acquire) ? ParityState::open : ParityState::current;
}

std::uint64_t FileParity::start_of(std::uint64_t offset) const {
    return is_on() ? round_down(offset, kBlockSize) : offset;
}

std::uint64_t FileParity::end_of(std::uint64_t end) const {
    return is_on() && end < RangeLock::kToTheEnd - kBlockSize ? round_up(end, kBlockSize) : end;
}

Result<void> FileParity::attach(Piece &piece, std::uint64_t clear_from) {
    if (!is_on()) return {};
    piece.beside = TRY(storage_.make_parity(piece));
    auto &made = static_cast<PieceParity &>(*piece.beside);
    const std::uint64_t first =
        clear_from < piece.length ? round_up(clear_from, kBlockSize) / kBlockSize : made.parity().block_count();
    if (first >= made.parity().block_count()) return {};
    return made.engine().clear(nullptr, made.parity(), first, made.parity().block_count() - first);
}

bool FileParity::is_lacking(const Piece &piece) {
    if (piece.beside == nullptr) return true;
    return static_cast<const PieceParity &>(*piece.beside).engine().is_lost() && piece.extent->device().check_alive();
}

// Whether the run is in host memory, and the GPU that encoded it is lost. Then parity stays behind the bytes, which go
// on, until it is made anew.
bool FileParity::is_left_behind(const Run &run) {
    const ParityEngine &engine = run.parity.engine();
    if (!engine.is_lost() || !engine.device().info().is_host()) return false;
    open_.store(true, std::memory_order_release);
    return true;
}

// One block that is about to be changed in part.
Result<void> FileParity::mend_block(const ExtentList &extents, std::uint64_t offset) {
    return for_each_run(extents, offset, offset + 1, [&](const Run &run) -> Result<void> {
        const Result<BlockReport> report =
            run.parity.engine().check(ParityMode::repair, run.parity.parity(), run.first, run.count);
        if (!report) return is_left_behind(run) ? Result<void>() : Error(report.error());
        if (!report->left_wrong.empty()) add_damaged(std::span(&run.in_file, 1));
        return {};
    });
}

Result<void> FileParity::before_change(
    const ExtentList &extents, std::uint64_t offset, std::uint64_t end, std::uint64_t valid_end) {
    if (!follows() || offset >= end) return {};
    const std::uint64_t first = round_down(offset, kBlockSize);
    const std::uint64_t last = round_down(end, kBlockSize);
    const bool keeps_head = offset != first;
    // The last block keeps its bytes behind the range, unless those were never part of the file.
    const bool keeps_tail = end != last && end < valid_end;
    if (keeps_head && first < valid_end) TRY(mend_block(extents, first));
    if (keeps_tail && (last != first || !keeps_head)) TRY(mend_block(extents, last));
    return {};
}

void FileParity::after_change(Copiers &copiers, const ExtentList &extents, std::uint64_t offset, std::uint64_t end) {
    if (!is_on() || offset >= end) return;
    {
        // What was written from end to end is damaged no more.
        const std::uint64_t first = round_up(offset, kBlockSize) / kBlockSize, last = end / kBlockSize;
        const Hold hold(mutex_);
        if (first < last) damaged_.erase(damaged_.lower_bound(first), damaged_.lower_bound(last));
    }
    if (!follows()) return;
    const Result<void> queued = for_each_run(extents, offset, end, [&](const Run &run) {
        return run.parity.engine().encode(&copiers, run.parity.parity(), run.first, run.count);
    });
    if (!queued) open_.store(true, std::memory_order_release);
}

void FileParity::after_move(Copiers &copiers, const Piece &piece, std::uint64_t length) {
    if (!follows() || length == 0) return;
    const auto &made = static_cast<const PieceParity &>(*piece.beside);
    const std::uint64_t count = round_up(length, kBlockSize) / kBlockSize;
    if (!made.engine().encode(&copiers, made.parity(), 0, count)) open_.store(true, std::memory_order_release);
}

Result<BlockReport> FileParity::check(
    ParityMode mode, const ExtentList &extents, std::uint64_t offset, std::uint64_t end) {
    if (!is_on()) return Error{ENODATA, 0, "verify file", "it has no parity: `--ecc=on`, or user.gmemfs.ecc"};
    if (!follows())
        return Error{EBUSY, 0, "verify file", "a peer may be writing to it: `gmemfs seal` when it has ended"};
    BlockReport all;
    TRY(for_each_run(extents, offset, end, [&](const Run &run) -> Result<void> {
        ParityEngine &engine = run.parity.engine();
        Result<BlockReport> checked = engine.check(mode, run.parity.parity(), run.first, run.count);
        if (!checked) return is_left_behind(run) ? Result<void>() : Error(checked.error());
        BlockReport report = *std::move(checked);
        const std::uint64_t shift = run.in_file - run.first; // to numbers that count from the file's start
        for (std::uint64_t &block : report.left_wrong) block += shift;
        for (BlockReport::Fault &fault : report.faults) fault.block += shift;
        if (mode == ParityMode::repair) add_damaged(report.left_wrong);
        all.append(report);
        return {};
    }));
    // Blocks that are known to be damaged, and were encoded since because a part of them was written.
    const Hold hold(mutex_);
    for (auto known = damaged_.lower_bound(offset / kBlockSize); known != damaged_.end() && *known * kBlockSize < end;
         ++known) {
        const auto at = std::lower_bound(all.left_wrong.begin(), all.left_wrong.end(), *known);
        if (at != all.left_wrong.end() && *at == *known) continue;
        all.left_wrong.insert(at, *known);
        ++all.blocks_wrong;
    }
    return all;
}

Result<void> FileParity::before_read(
    const ExtentList &extents, std::uint64_t offset, std::uint64_t end, std::uint64_t &good) {
    good = end - offset;
    if (!follows()) return {};
    const BlockReport report = TRY(check(ParityMode::repair, extents, offset, end));
    if (report.left_wrong.empty()) return {};
    const std::uint64_t bad = std::max(report.left_wrong.front() * kBlockSize, offset);
    good = bad - offset;
    return Error{EIO, 0, "read file",
        "bytes " + std::to_string(bad) + " to " +
            std::to_string(std::min(end, (report.left_wrong.front() + 1) * kBlockSize)) +
            " are damaged beyond repair: write them anew, or copy the file from elsewhere"};
}

std::vector<std::uint64_t> FileParity::damaged() const {
    const Hold hold(mutex_);
    return {damaged_.begin(), damaged_.end()};
}

void FileParity::add_damaged(std::span<const std::uint64_t> blocks) {
    if (blocks.empty()) return;
    const Hold hold(mutex_);
    damaged_.insert(blocks.begin(), blocks.end());
}

void FileParity::begun_writing(Writer writer) {
    if (writer == Writer::counted) writers_.fetch_add(1);
    open_.store(true, std::memory_order_release);
}

Result<void> FileParity::encode(const ExtentList &extents, std::uint64_t end) {
    return for_each_run(extents, 0, end,
        [](const Run &run) { return run.parity.engine().encode(nullptr, run.parity.parity(), run.first, run.count); });
}

Result<void> FileParity::seal(const ExtentList &extents, std::uint64_t end) {
    TRY(encode(extents, end));
    TRY(wait(extents));
    const bool lacks_some = std::ranges::any_of(extents.pieces(), is_lacking);
    open_.store(writers_.load() > 0 || lacks_some, std::memory_order_release);
    return {};
}

Result<void> FileParity::wait(const ExtentList &extents) const {
    const ParityEngine *waited = nullptr; // an engine is a device's; pieces of one device mostly follow each other
    for (const Piece &piece : extents.pieces()) {
        if (piece.beside == nullptr) continue;
        ParityEngine &engine = static_cast<PieceParity &>(*piece.beside).engine();
        if (&engine != waited) TRY(engine.wait());
        waited = &engine;
    }
    return {};
}

void FileParity::cut_to(std::uint64_t size) {
    if (!is_on()) return;
    const Hold hold(mutex_);
    damaged_.erase(damaged_.lower_bound(round_up(size, kBlockSize) / kBlockSize), damaged_.end());
}

} // namespace gmemfs
