#include "fuse/core/file/range_lock.hpp"

namespace gmemfs {

RangeLock::Entries::iterator RangeLock::acquire(HeldRange::Entry entry) {
    const Hold hold(mutex_);
    const Entries::iterator at = entries_.insert(entries_.end(), entry);
    if (!has_conflict(at)) return at;
    ++waiting_;
    while (has_conflict(at)) released_.wait(mutex_);
    --waiting_;
    return at;
}

void RangeLock::release(Entries::iterator at) {
    const Hold hold(mutex_);
    entries_.erase(at);
    if (waiting_ > 0) released_.notify_all();
}

// Whether an earlier entry, which holds its range or waits for it, forbids this one.
bool RangeLock::has_conflict(Entries::iterator at) {
    for (Entries::iterator before = entries_.begin(); before != at; ++before) {
        const bool overlaps = before->offset < at->end && at->offset < before->end;
        if (overlaps && !(before->is_shared && at->is_shared)) return true;
    }
    return false;
}

} // namespace gmemfs
