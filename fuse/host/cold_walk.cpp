#include "fuse/host/cold_walk.hpp"

#include "fuse/host/log.hpp"
#include "vmm/base/units.hpp"

#include <algorithm>
#include <ctime>
#include <string>

namespace gmemfs {
namespace {

constexpr std::uint64_t kLeast = 4 * MiB; // bytes of memory: of less, packing gives no granule back
constexpr std::chrono::seconds kPassMin{1}, kPassMax{60};

bool is_same(const timespec &one, const timespec &other) {
    return one.tv_sec == other.tv_sec && one.tv_nsec == other.tv_nsec;
}

} // namespace

bool ColdWalk::Seen::is_same_use(const Seen &other) const {
    return generation == other.generation && is_same(accessed, other.accessed) && is_same(modified, other.modified) &&
           is_same(changed, other.changed);
}

ColdWalk::ColdWalk(Volume &volume, Front &front, std::chrono::seconds after)
    : volume_(volume), front_(front), after_(after) {
    thread_ = std::thread([this] { run(); }); // the last thing: all else is there
}

ColdWalk::~ColdWalk() {
    {
        const std::lock_guard<std::mutex> hold(mutex_);
        ends_ = true;
    }
    changed_.notify_all();
    if (thread_.joinable()) thread_.join();
}

// False: it is to end.
bool ColdWalk::wait() {
    std::unique_lock<std::mutex> hold(mutex_);
    return !changed_.wait_for(hold, std::clamp(after_ / 4, kPassMin, kPassMax), [this] { return ends_; });
}

void ColdWalk::run() {
    Result<Copiers> copiers = Copiers::create(volume_.storage().devices());
    if (!copiers) return log(LogLevel::warning, "pack", copiers.error(), "no file is packed in the background");
    while (wait()) pass(*copiers);
}

void ColdWalk::pass(Copiers &copiers) {
    std::map<InodeId, Seen> next;
    for (const InodeId id : volume_.names().plain_files_of_at_least(kLeast)) {
        const Result<InodeRef> inode = volume_.names().find(id); // or it was removed meanwhile
        if (inode) look_at(copiers, **inode, next);
        const std::lock_guard<std::mutex> hold(mutex_);
        if (ends_) return;
    }
    seen_ = std::move(next);
}

void ColdWalk::look_at(Copiers &copiers, Inode &inode, std::map<InodeId, Seen> &next) {
    if (inode.opens.load(std::memory_order_relaxed) > 0 || inode.file()->is_leased()) return;
    const Attributes now = inode.attributes();
    Seen seen = {inode.file()->generation(), now.accessed, now.modified, now.changed, Clock::now()};
    if (const auto before = seen_.find(inode.id()); before != seen_.end() && before->second.is_same_use(seen))
        seen = before->second;
    if (!seen.is_settled && Clock::now() - seen.since >= after_) {
        timespec time = {};
        ::clock_gettime(CLOCK_REALTIME, &time);
        const Result<File::PackOutcome> outcome = volume_.pack({{}, time, copiers}, inode);
        if (outcome && *outcome == File::PackOutcome::packed) {
            front_.attributes_changed(inode.id()); // st_blocks
            return;
        }
        // Another peer's, or no room: later perhaps. What is damaged is told once.
        seen.is_settled = outcome || (outcome.error().code != EBUSY && outcome.error().code != ENOSPC);
        if (!outcome && seen.is_settled)
            log(LogLevel::warning, "pack", outcome.error(), "inode " + std::to_string(inode.id()));
    }
    next.emplace(inode.id(), seen);
}

} // namespace gmemfs
