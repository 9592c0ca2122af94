// RoomMaker: where an allocation finds the device full, files that nobody uses give up memory (--make-room).
#pragma once

#include "fuse/core/volume.hpp"
#include "fuse/host/front.hpp"
#include "fuse/host/options.hpp"
#include "vmm/base/lock.hpp"

#include <atomic>
#include <cstdint>
#include <map>

namespace gmemfs {

/// Thread-safe. One file at a time gives up memory: the one that was used longest ago, among those that are closed, and
/// that no peer may have mapped. `volume` and `front` outlive this.
class RoomMaker {
public:
    /// `how` isn't RoomBy::none.
    RoomMaker(Volume &volume, Front &front, RoomBy how) : volume_(volume), front_(front), how_(how) {}

    /// True: there is more memory than when the caller lacked it. Never the memory of `inode` itself.
    bool make_room(const Caller &caller, const Inode &inode) EXCLUDES(mutex_);

private:
    bool free_one(const Caller &caller, const Inode &spared) REQUIRES(mutex_);
    bool is_candidate(const Inode &inode) const REQUIRES(mutex_);
    enum class Outcome {
        freed,
        kept, ///< this file has nothing to give, now or later
        full, ///< there is no room for what it gives up
    };
    Outcome give_up(const Caller &caller, Inode &inode) REQUIRES(mutex_);

    Volume &volume_;
    Front &front_;
    const RoomBy how_;
    Mutex mutex_; // held while a file gives up its memory; taken before every lock of files and names
    std::map<InodeId, std::uint64_t> kept_ GUARDED_BY(mutex_); // files that can't, with their generation then
    std::atomic<std::uint64_t> rooms_ = 0;                     // made so far
};

} // namespace gmemfs
