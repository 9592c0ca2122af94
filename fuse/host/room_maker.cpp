#include "fuse/host/room_maker.hpp"

#include "vmm/base/units.hpp"

#include <algorithm>
#include <ctime>
#include <tuple>
#include <utility>
#include <vector>

namespace gmemfs {
namespace {

constexpr std::uint64_t kLeast = 2 * MiB; // bytes of memory: a granule

// When a file was used last: in the order of its server's time; what wasn't, since that began, by its times.
using LastUse = std::tuple<std::uint64_t, std::time_t, long>;
LastUse last_use_of(const Inode &inode) {
    const Attributes now = inode.attributes();
    const auto [seconds, nanoseconds] = std::max(
        std::pair(now.accessed.tv_sec, now.accessed.tv_nsec), std::pair(now.modified.tv_sec, now.modified.tv_nsec));
    return {inode.file()->last_use(), seconds, nanoseconds};
}

} // namespace

bool RoomMaker::make_room(const Caller &caller, const Inode &inode) {
    if (!inode.is_file()) return false;
    if (const Placement placement = inode.file()->placement();
        placement.home != nullptr && placement.home->info().is_host())
        return false;
    if (front_.wait_for_memory()) return true; // unlinked files were about to give theirs back
    const std::uint64_t before = rooms_.load();
    const Hold hold(mutex_);
    return rooms_.load() != before || free_one(caller, inode); // another thread may just have made some
}

bool RoomMaker::free_one(const Caller &caller, const Inode &spared) {
    std::vector<std::pair<LastUse, InodeId>> oldest_first;
    const auto is_wanted = [&](const Inode &inode)
                               REQUIRES(mutex_) { return inode.id() != spared.id() && is_candidate(inode); };
    for (const InodeId id : volume_.names().files_where(is_wanted))
        if (const Result<InodeRef> inode = volume_.names().find(id))
            oldest_first.emplace_back(last_use_of(**inode), id);
    std::ranges::sort(oldest_first);
    for (const auto &[use, id] : oldest_first) {
        const Result<InodeRef> inode = volume_.names().find(id); // or it was removed meanwhile
        if (!inode) continue;
        const Outcome outcome = give_up(caller, **inode);
        if (outcome == Outcome::full) return false;
        if (outcome == Outcome::kept) continue;
        front_.attributes_changed(id); // st_blocks
        ++rooms_;
        return true;
    }
    return false;
}

bool RoomMaker::is_candidate(const Inode &inode) const {
    const File &file = *inode.file();
    const bool has_any = how_ == RoomBy::host ? !file.is_offloaded() : !file.is_cold();
    if (!has_any || file.allocated() < kLeast || file.is_shared()) return false;
    if (inode.opens.load(std::memory_order_relaxed) > 0 || file.is_leased()) return false;
    const auto kept = kept_.find(inode.id());
    return kept == kept_.end() || kept->second != file.generation();
}

RoomMaker::Outcome RoomMaker::give_up(const Caller &caller, Inode &inode) {
    const auto freed = [&]() -> Result<bool> {
        if (how_ == RoomBy::host) return TRY(volume_.offload(caller, inode, File::Form::packed, PackBy::own))
        == File::OffloadOutcome::moved;
        return TRY(volume_.pack(caller, inode, PackBy::own))
        == File::PackOutcome::packed;
    }();
    if (freed && *freed) return Outcome::freed;
    if (!freed && is_no_space(freed.error())) return Outcome::full;
    kept_[inode.id()] = inode.file()->generation();
    return Outcome::kept;
}

} // namespace gmemfs
