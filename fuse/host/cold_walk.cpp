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
constexpr std::chrono::seconds kReserve{5};  // as long, and twice that, host memory is kept for the next file
constexpr std::chrono::seconds kFlagged{10}; // until a file with chattr +c is packed

bool is_same(const timespec &one, const timespec &other) {
    return one.tv_sec == other.tv_sec && one.tv_nsec == other.tv_nsec;
}

} // namespace

bool ColdWalk::Seen::is_same_use(const Seen &other) const {
    return generation == other.generation && is_same(accessed, other.accessed) && is_same(modified, other.modified) &&
           is_same(changed, other.changed);
}

ColdWalk::ColdWalk(Volume &volume, Front &front, Ages ages) : volume_(volume), front_(front), ages_(ages) {
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

// From one pass to the next.
ColdWalk::Clock::duration ColdWalk::interval() const {
    std::chrono::seconds sooner = volume_.has_own_ages() ? kPassMin : 4 * kPassMax;
    for (const std::chrono::seconds age : {ages_.pack, ages_.host})
        if (age.count() > 0) sooner = std::min(sooner, age);
    return std::clamp(sooner / 4, kPassMin, kPassMax);
}

// False: it is to end.
bool ColdWalk::wait() {
    std::unique_lock<std::mutex> hold(mutex_);
    return !changed_.wait_for(hold, std::min<Clock::duration>(interval(), kReserve), [this] { return ends_; });
}

void ColdWalk::run() {
    Result<Copiers> copiers = Copiers::create(volume_.storage().devices());
    if (!copiers)
        return log(LogLevel::warning, "pack", copiers.error(), "no file is packed or moved in the background");
    Clock::time_point passed = Clock::now(), dropped = passed;
    while (wait()) {
        const Clock::time_point now = Clock::now();
        if (now - dropped >= kReserve) {
            volume_.storage().drop_reserve(Storage::Reserve::old);
            dropped = now;
        }
        const bool is_wanted = ages_.pack.count() > 0 || ages_.host.count() > 0 || volume_.has_own_ages();
        if (!is_wanted || now - passed < interval()) continue;
        pass(*copiers);
        passed = Clock::now();
    }
}

void ColdWalk::pass(Copiers &copiers) {
    std::map<InodeId, Seen> next;
    const auto is_wanted = [this](
                               const Inode &inode) { return next_step(inode, Clock::duration::max()) != Step::none; };
    for (const InodeId id : volume_.names().files_where(is_wanted)) {
        const Result<InodeRef> inode = volume_.names().find(id); // or it was removed meanwhile
        if (inode) look_at(copiers, **inode, next);
        const std::lock_guard<std::mutex> hold(mutex_);
        if (ends_) return;
    }
    seen_ = std::move(next);
}

// What is due for a file that nobody has used for so long.
ColdWalk::Step ColdWalk::next_step(const Inode &inode, Clock::duration idle) const {
    const File &file = *inode.file();
    if (file.is_offloaded() || file.is_shared() || file.allocated() < kLeast) return Step::none;
    const std::chrono::seconds host(inode.age(kHostAfter).value_or(static_cast<unsigned>(ages_.host.count())));
    if (host.count() > 0 && idle >= host) return Step::offload;
    if (file.residence() == Residence::packed) return Step::none;
    std::chrono::seconds pack(inode.age(kPackAfter).value_or(static_cast<unsigned>(ages_.pack.count())));
    if ((inode.flags() & kCompress) != 0 && (pack.count() == 0 || pack > kFlagged)) pack = kFlagged;
    return pack.count() > 0 && idle >= pack ? Step::pack : Step::none;
}

// False: it would change nothing.
Result<bool> ColdWalk::take(Step step, Copiers &copiers, Inode &inode) {
    timespec time = {};
    ::clock_gettime(CLOCK_REALTIME, &time);
    const Caller caller = {{}, time, copiers};
    if (step == Step::offload) return TRY(volume_.offload(caller, inode, File::Form::packed, PackBy::own))
    == File::OffloadOutcome::moved;
    return TRY(volume_.pack(caller, inode, PackBy::own))
    == File::PackOutcome::packed;
}

void ColdWalk::look_at(Copiers &copiers, Inode &inode, std::map<InodeId, Seen> &next) {
    if (inode.opens.load(std::memory_order_relaxed) > 0 || inode.file()->is_leased()) return;
    const Attributes now = inode.attributes();
    Seen seen = {inode.file()->generation(), now.accessed, now.modified, now.changed, Clock::now()};
    if (const auto before = seen_.find(inode.id()); before != seen_.end() && before->second.is_same_use(seen))
        seen = before->second;
    const Step step = next_step(inode, Clock::now() - seen.since);
    if (step != Step::none && seen.settled != step) {
        const Result<bool> done = take(step, copiers, inode);
        if (done && *done) {
            front_.attributes_changed(inode.id()); // st_blocks
            seen.generation = inode.file()->generation();
        } else if (done || (done.error().code != EBUSY && !is_no_space(done.error()))) {
            seen.settled = step;
            if (!done) log(LogLevel::warning, "pack", done.error(), "inode " + std::to_string(inode.id()));
        } // else another peer's, or no room: later perhaps
    }
    next.emplace(inode.id(), seen);
}

} // namespace gmemfs
