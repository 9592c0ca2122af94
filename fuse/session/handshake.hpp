// Handshake: what kernel and server agreed on in FUSE_INIT about how requests travel.
//
// The kernel takes rings only after it has been answered, so their workers wait here for that; and once they are agreed
// on it serves nobody before it has them all, so who makes requests of the own mount waits for that.
#pragma once

#include <atomic>

namespace gmemfs {

/// How requests come. Some (FUSE_INIT, FUSE_FORGET, FUSE_INTERRUPT) are read(2) from the device in either case.
enum class Transport { read, io_uring };

/// Of one session. Thread-safe.
class Handshake {
public:
    /// Where nobody wants rings there is nothing to agree on.
    explicit Handshake(Transport wanted)
        : wanted_(wanted), state_(wanted == Transport::io_uring ? State::open : State::read) {}

    Transport wanted() const { return wanted_; }
    /// Before anything waits: so many rings there will be.
    void expect_rings(unsigned count) { missing_rings_ = count; }
    /// The kernel has its answer.
    void agree(Transport transport) { go(State::open, transport == Transport::io_uring ? State::ring : State::read); }
    /// The session is about to end, agreed on or not.
    void end() {
        state_ = State::over;
        state_.notify_all();
    }
    /// Waits until the kernel has been answered. False: requests don't come by rings, or never will.
    bool wait_for_ring() const {
        state_.wait(State::open);
        return is_by_ring();
    }
    /// The kernel has taken one of the rings.
    void ring_taken() {
        if (--missing_rings_ == 0) go(State::ring, State::all_rings);
    }
    /// Waits until the kernel hands out requests. False: it never will, because the session is about to end.
    bool wait_until_served() const {
        for (State state = state_; state == State::open || state == State::ring; state = state_) state_.wait(state);
        return state_ != State::over;
    }
    bool is_by_ring() const { return state_ == State::ring || state_ == State::all_rings; }

private:
    enum class State { open, read, ring, all_rings, over };
    void go(State from, State to) { // unless it is over
        if (state_.compare_exchange_strong(from, to)) state_.notify_all();
    }

    const Transport wanted_;
    std::atomic<State> state_;
    std::atomic<unsigned> missing_rings_ = 0;
};

} // namespace gmemfs
