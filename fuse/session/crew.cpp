#include "fuse/session/crew.hpp"

#include <algorithm>
#include <cmath>
#include <ctime>

namespace gmemfs {
namespace {

constexpr std::int64_t kReviewNs = 2'000'000;
constexpr double kDecay = 0.9; // a review
constexpr int kLeast = 2;      // two keep one client's requests going without a wake-up between them

std::int64_t read_clock(clockid_t clock) {
    timespec now = {};
    ::clock_gettime(clock, &now);
    return now.tv_sec * std::int64_t(1'000'000'000) + now.tv_nsec;
}

} // namespace

void Crew::join(Member &member) {
    if (member.began_ns == 0) { // its first time
        const Hold hold(mutex_);
        ++up_;
    }
    const std::int64_t now = read_clock(CLOCK_MONOTONIC);
    if (now >= next_review_ns_) review(now);
    if (!is_needed()) {
        const Hold hold(mutex_);
        // A member that leaves nobody waiting locks the mutex afterwards, in leave(). So either this member sees that
        // nobody waits any more, or that one sees this one parked.
        if (!is_needed() && waiting_ > 0) {
            member.is_parked = true;
            parked_.push_back(&member);
            --up_;
            while (member.is_parked) member.wake.wait(mutex_);
        }
    }
    member.began_ns = read_clock(CLOCK_THREAD_CPUTIME_ID);
    waiting_.fetch_add(1);
}

void Crew::leave(Member &member) {
    worked_ns_ += read_clock(CLOCK_THREAD_CPUTIME_ID) - member.began_ns;
    member.began_ns = read_clock(CLOCK_MONOTONIC);
    if (waiting_.fetch_sub(1) > 1) return;
    const Hold hold(mutex_);
    wake_one();
}

void Crew::done(Member &member) { worked_ns_ += read_clock(CLOCK_MONOTONIC) - member.began_ns; }

void Crew::review(std::int64_t now) {
    const Hold hold(mutex_);
    if (now < next_review_ns_) return; // another member was faster
    const std::int64_t passed = std::max(now - last_review_ns_, kReviewNs);
    const double load = static_cast<double>(worked_ns_.exchange(0)) / static_cast<double>(passed);
    last_review_ns_ = now;
    next_review_ns_ = now + kReviewNs;
    load_ = std::max(load, load_ * kDecay);
    // All of them at work: nobody knows how many more there would be work for.
    const bool is_saturated = load > up_ - 0.5;
    wanted_ = std::max(kLeast, is_saturated ? 2 * up_ : static_cast<int>(std::ceil(load_)) + 1);
    while (up_ < wanted_ && !parked_.empty()) wake_one();
}

void Crew::wake_one() {
    if (parked_.empty()) return;
    Member &last = *parked_.back();
    parked_.pop_back();
    ++up_;
    last.is_parked = false;
    last.wake.notify_one();
}

void Crew::disband() {
    const Hold hold(mutex_);
    is_over_ = true;
    while (!parked_.empty()) wake_one();
}

} // namespace gmemfs
