#include "fuse/crew.hpp"

#include <mutex>

namespace gmemfs {

void Crew::join(Member &member) {
    member.surplus = has_enough() ? member.surplus + 1 : 0;
    if (member.surplus >= kPatience) park(member);
    waiting_.fetch_add(1);
}

// Whoever takes the last waiting place down to none locks the mutex afterwards, in leave(): so either this one sees
// that nobody waits any more, or that one sees it parked.
void Crew::park(Member &member) {
    member.surplus = 0;
    std::unique_lock<std::mutex> lock(mutex_);
    if (!has_enough()) return;
    member.is_parked = true;
    parked_.push_back(&member);
    member.wake.wait(lock, [&] { return !member.is_parked; });
}

void Crew::leave() {
    busy_.fetch_add(1);
    if (waiting_.fetch_sub(1) > 1) return;
    const std::lock_guard<std::mutex> lock(mutex_);
    if (parked_.empty()) return;
    Member &last = *parked_.back();
    parked_.pop_back();
    last.is_parked = false;
    last.wake.notify_one();
}

void Crew::disband() {
    const std::lock_guard<std::mutex> lock(mutex_);
    is_over_ = true;
    for (Member *const member : parked_) {
        member->is_parked = false;
        member->wake.notify_one();
    }
    parked_.clear();
}

} // namespace gmemfs
